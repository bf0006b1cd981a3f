// A name in a text of another direction: apart from it, and with its hidden characters shown.
import { shown } from "../lib/names";

export function Name({ of, ...rest }: { of: string | null | undefined; class?: string; title?: string }) {
  return <bdi {...rest}>{of && shown(of)}</bdi>;
}
