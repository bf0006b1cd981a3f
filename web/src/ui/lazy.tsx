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

/** Return a component that stands for one of a module's; `blank` shows nothing while it loads, as a dialog does. */
export function lazy<M, P extends object>(read: () => Promise<M>, choose: (module: M) => ComponentType<P>, blank = false): Lazy<P> {
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
    useEffect(() => {
      if (!found) begin();
    }, []);
    if (found) {
      const Part = found;
      return <Part {...props} />;
    }
    // A tab that is older than the server's pages asks for a file that is no longer there.
    if (isFailed) return <ErrorBox error={new ApiError(0, "page_part_missing", "")} retry={() => (isNewVersion.peek() ? location.reload() : begin())} />;
    return blank ? null : <Skeleton />;
  }
  return Object.assign(Later, { load });
}
