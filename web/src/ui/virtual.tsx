// A list of which only the visible rows are in the document: 10,000 rows cost what 40 do.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const BEYOND = 6; // rows above and below the visible ones

export interface Range {
  first: number;
  end: number;
}

/** Rows of equal height inside a scrolling box; `children` draws one row at its place. */
export function VirtualRows<T>({ rows, height, label, keyOf, head, settled, children, focusAt, columns }: {
  rows: T[];
  height: number;
  label: string;
  keyOf: (row: T) => string;
  head?: ComponentChildren;
  settled?: (visible: T[]) => void; // once scrolling has rested for 300 ms
  children: (row: T, index: number) => ComponentChildren;
  focusAt?: number; // this row is scrolled into view
  columns?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<Range>({ first: 0, end: 40 });
  const timer = useRef(0);
  const measure = () => {
    const view = box.current;
    if (!view) return;
    const first = Math.max(0, Math.floor(view.scrollTop / height) - BEYOND);
    const end = Math.ceil((view.scrollTop + view.clientHeight) / height) + BEYOND;
    setRange((old) => (old.first === first && old.end === end ? old : { first, end }));
  };
  useLayoutEffect(() => {
    measure();
    const watcher = new ResizeObserver(measure);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [height]);
  useLayoutEffect(measure, [rows.length]);
  useLayoutEffect(() => {
    const view = box.current;
    if (!view || focusAt === undefined || focusAt < 0) return;
    const top = focusAt * height;
    const headHeight = view.querySelector<HTMLElement>(".list-head")?.offsetHeight ?? 0;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + height + headHeight > view.scrollTop + view.clientHeight) view.scrollTop = top + height + headHeight - view.clientHeight;
  }, [focusAt]);
  const end = Math.min(rows.length, range.end);
  const first = Math.min(range.first, Math.max(0, end - 1));
  const visible = rows.slice(first, end);
  const names = visible.map(keyOf).join();
  useLayoutEffect(() => {
    if (!settled) return;
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => settled(visible), 300);
  }, [names]);
  return (
    <div ref={box} class="virtual" role="table" aria-label={label} aria-rowcount={rows.length + (head ? 1 : 0)} aria-colcount={columns} tabIndex={0} onScroll={measure}>
      {head}
      <div class="virtual-space" role="rowgroup" style={{ height: `${rows.length * height}px` }}>
        <div class="virtual-rows" role="presentation" style={{ transform: `translateY(${first * height}px)` }}>
          {visible.map((row, index) => (
            <div class="virtual-row" role="row" key={keyOf(row)} aria-rowindex={first + index + (head ? 2 : 1)} style={{ height: `${height}px` }}>
              {children(row, first + index)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
