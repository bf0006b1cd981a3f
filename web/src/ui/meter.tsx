// A share as a bar with its value beside it.
import type { ComponentChildren } from "preact";

export function Meter({ value, level, children }: { value: number; level: string; children: ComponentChildren }) {
  return (
    <span class={`meter ${level}`}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" rx="3" />
        <rect class="fill" width={value} height="6" rx="3" />
      </svg>
      <span>{children}</span>
    </span>
  );
}

/** How high a percentage is: high from 90 on, mid from 75 on. */
export function levelOf(percent: number): string {
  return percent >= 90 ? "high" : percent >= 75 ? "mid" : "low";
}
