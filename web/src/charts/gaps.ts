// Why there is nothing in a span of a chart: the reason that covers most of it.
import type { DeviceAnnotations } from "../api/schema";
import { millis } from "../lib/format";
import { chosen, texts } from "../texts";

export interface Gap {
  from: number;
  to: number;
  word: string;
  sentence: string;
}

/** Cut empty spans at the annotations' reasons; what none covers is "no samples". `patience` is in seconds. */
export function explain(spans: Array<[number, number]>, annotations: DeviceAnnotations | undefined, patience: number): Gap[] {
  const unnoticed = 2000 * patience; // a device is silent for some intervals before it counts as offline
  const t = texts.value.gaps;
  const reasons = (annotations?.gaps ?? []).map((gap) => ({ ...gap, from: millis(gap.start), to: millis(gap.end) }));
  const found: Gap[] = [];
  for (const [from, to] of spans) {
    let at = from;
    const within = reasons.filter((gap) => gap.to > from && gap.from < to).sort((a, b) => a.from - b.from);
    for (const gap of within) {
      const start = gap.reason === "offline" && gap.from - at < unnoticed ? at : Math.max(at, gap.from);
      const end = Math.min(to, gap.to);
      if (end <= start) continue;
      if (start - at > (to - from) / 20) found.push({ from: at, to: start, word: t.unknown, sentence: t.unknownLong });
      found.push({ from: start, to: end, word: t.words[gap.reason] ?? gap.reason, sentence: chosen.value === "en" ? gap.message : (t.words[gap.reason] ?? gap.message) });
      at = end;
    }
    if (to - at > (to - from) / 20) found.push({ from: at, to, word: t.unknown, sentence: t.unknownLong });
  }
  return found;
}

export function gapAt(gaps: Gap[], at: number): Gap | undefined {
  return gaps.find((gap) => gap.from <= at && at < gap.to);
}
