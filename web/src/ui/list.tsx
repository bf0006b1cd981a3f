// A list in a table that a narrow screen shows as cards: each cell carries its column's title.
import type { ComponentChildren } from "preact";
import type { Paged } from "../lib/pages";
import { texts } from "../texts";
import { ActButton } from "./controls";
import { ErrorBox, Skeleton } from "./states";

export interface Head<T> {
  title: string;
  cell: (row: T) => ComponentChildren;
  class?: string;
}

export function Table<T>({ rows, heads, keyOf, label, rowClass }: { rows: T[]; heads: Array<Head<T>>; keyOf: (row: T) => string | number; label: string; rowClass?: (row: T) => string }) {
  return (
    <div class="table-box">
      <table class="cards" aria-label={label}>
        <thead>
          <tr>
            {heads.map((head) => (
              <th scope="col" key={head.title} class={head.class}>
                {head.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} class={rowClass?.(row)}>
              {heads.map((head) => (
                <td key={head.title} data-title={head.title} class={head.class}>
                  {head.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A paged list in every state: loading, error, empty, rows, more. */
export function PagedTable<T>({ of, empty, ...rest }: { of: Paged<T>; empty: ComponentChildren; heads: Array<Head<T>>; keyOf: (row: T) => string | number; label: string; rowClass?: (row: T) => string }) {
  return (
    <>
      {of.error && <ErrorBox error={of.error} retry={of.reload} />}
      {of.rows ? of.rows.length ? <Table rows={of.rows} {...rest} /> : empty : !of.error && <Skeleton />}
      {of.hasMore && (
        <p class="more">
          <ActButton act={of.more}>{texts.value.more}</ActButton>
        </p>
      )}
    </>
  );
}
