// New samples of the live channel at the end of the charts, until the next read over HTTP has them.
import { useEffect, useRef, useState } from "preact/hooks";
import type { HistoryColumns } from "../api/schema";
import { millis } from "../lib/format";
import { onMessage } from "../lib/live";
import { isPaused } from "./charts";

interface Sample {
  at: number; // Unix seconds
  metrics: Record<string, number | null>;
}

/** Return the history with the newest samples behind it; counters wait for the next read, which has their rates. */
export function useTail(id: string, isLive: boolean, history: HistoryColumns): HistoryColumns {
  const [samples, setSamples] = useState<Sample[]>([]);
  const waiting = useRef<Sample[]>([]);
  useEffect(() => {
    if (!isLive) return undefined;
    setSamples([]);
    return onMessage("metrics", (message) => {
      if (message.agent_id !== id) return;
      const at = millis(message.collected_at as string) / 1000;
      if (!Number.isNaN(at)) waiting.current.push({ at, metrics: (message.metrics ?? {}) as Sample["metrics"] });
      if (!isPaused.peek()) release();
    });
  }, [id, isLive]);
  const release = () => {
    if (!waiting.current.length) return;
    const news = waiting.current;
    waiting.current = [];
    setSamples((old) => [...old, ...news].slice(-500));
  };
  const paused = isPaused.value;
  useEffect(() => {
    if (!paused) release();
  }, [paused]);
  return isLive ? extended(history, samples) : history;
}

const kept = new WeakMap<HistoryColumns, { samples: Sample[]; result: HistoryColumns }>();

function extended(history: HistoryColumns, samples: Sample[]): HistoryColumns {
  const before = kept.get(history);
  if (before?.samples === samples) return before.result;
  const end = lastSampled(history);
  const news = samples.filter((sample) => sample.at > end).sort((a, b) => a.at - b.at);
  const result = news.length ? append(history, news, end) : history;
  kept.set(history, { samples, result });
  return result;
}

/** The time up to which the history's newest bucket with samples goes. */
function lastSampled(history: HistoryColumns): number {
  const index = history.samples.findLastIndex((count) => count > 0);
  return index < 0 ? -Infinity : (history.timestamps[index] ?? 0) + history.bucket_seconds;
}

function append(history: HistoryColumns, news: Sample[], end: number): HistoryColumns {
  const keep = history.timestamps.findLastIndex((time) => time <= end) + 1;
  const series: HistoryColumns["series"] = {};
  for (const [metric, columns] of Object.entries(history.series)) {
    const isCounter = history.units[metric]?.endsWith("/s") ?? false;
    const values = news.map((sample) => (isCounter ? null : (sample.metrics[metric] ?? null)));
    series[metric] = Object.fromEntries(Object.entries(columns).map(([name, old]) => [name, [...old.slice(0, keep), ...values]]));
  }
  return {
    ...history,
    timestamps: [...history.timestamps.slice(0, keep), ...news.map((sample) => sample.at)],
    series,
    samples: [...history.samples.slice(0, keep), ...news.map(() => 1)],
    coverage: [...history.coverage.slice(0, keep), ...news.map(() => 1)],
  };
}
