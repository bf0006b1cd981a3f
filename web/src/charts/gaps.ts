// Why there is nothing in a span of a chart: the reason that covers most of it.
import type { DeviceAnnotations } from "../api/schema";
import { millis } from "../lib/format";
import { texts } from "../texts";

export interface Gap {
  from: number;
  to: number;
  word: string;
  sentence: string;
}

/** Cut empty spans at the annotations' reasons; what none covers is "no samples". */
export function explain(spans: Array<[number, number]>, annotations: DeviceAnnotations | undefined): Gap[] {
  const t = texts.value.gaps;
  const reasons = (annotations?.gaps ?? []).map((gap) => ({ ...gap, from: millis(gap.start), to: millis(gap.end) }));
  const found: Gap[] = [];
  for (const [from, to] of spans) {
    let at = from;
    const within = reasons.filter((gap) => gap.to > from && gap.from < to).sort((a, b) => a.from - b.from);
    for (const gap of within) {
      const start = Math.max(at, gap.from);
      const end = Math.min(to, gap.to);
      if (end <= start) continue;
      if (start - at > (to - from) / 20) found.push({ from: at, to: start, word: t.unknown, sentence: t.unknownLong });
      found.push({ from: start, to: end, word: t.words[gap.reason] ?? gap.reason, sentence: sentenceOf(gap) });
      at = end;
    }
    if (to - at > (to - from) / 20) found.push({ from: at, to, word: t.unknown, sentence: t.unknownLong });
  }
  return found;
}

type Part = DeviceAnnotations["gaps"][number];

/** A gap's reason in words, with the window's name or why the status changed. */
export function sentenceOf({ reason, detail, message }: Pick<Part, "reason" | "detail" | "message">): string {
  const sentence = texts.value.gaps.sentences[reason];
  if (!sentence) return message; // a newer server's reason
  return detail ? `${sentence}: ${reason === "maintenance" ? detail : statusReason(detail)}` : sentence;
}

/** Why a status changed, in the person's language; the server keeps it in English. */
export function statusReason(why: string): string {
  return texts.value.statusReasons[why] ?? why;
}

export function gapAt(gaps: Gap[], at: number): Gap | undefined {
  return gaps.find((gap) => gap.from <= at && at < gap.to);
}
