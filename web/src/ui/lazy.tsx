// Parts of the pages that load when they are first shown, so that the first page comes with little script.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/call";
import { checkVersion, isNewVersion } from "../shell/version";
import { ErrorBox, Skeleton } from "./states";

export type Lazy<P> = ComponentType<P> & { load: () => Promise<unknown> };

export function isLazy<P>(part: ComponentType<P>): part is Lazy<P> {
  return "load" in part;
}

type Kind = "page" | "part" | "dialog";

/** Return a component that stands for one of a module's; while it loads, a dialog shows nothing. */
export function lazy<M, P extends object>(read: () => Promise<M>, choose: (module: M) => ComponentType<P>, kind: Kind): Lazy<P> {
  let found: ComponentType<P> | undefined;
  const load = () => read().then((module) => (found = choose(module)));
  function Later(props: P) {
    const [, redraw] = useState(0);
    const [isFailed, fail] = useState(false);
    const begin = () => {
      fail(false);
      load().then(
        () => redraw(1),
        () => (fail(true), void checkVersion()),
      );
    };
    const Part = found;
    useEffect(() => {
      if (!Part) begin(); // also where it came between the drawing and this effect: it must be drawn then
    }, []);
    if (Part) return <Part {...props} />;
    // A tab that is older than the server's pages asks for a file that is no longer there.
    const state = isFailed ? <ErrorBox error={new ApiError(0, "page_part_missing", "")} retry={() => (isNewVersion.peek() ? location.reload() : begin())} /> : kind === "dialog" ? null : <Skeleton />;
    return kind === "page" ? <main class="page" id="content" tabIndex={-1}>{state}</main> : state;
  }
  return Object.assign(Later, { load });
}
