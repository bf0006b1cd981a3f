// What a rule would have done: asked while it is edited, after a pause, the last question only.
import type { BacktestAnswer } from "../api/schema";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../api/call";
import { serverNow } from "../lib/clock";
import { canBeTested, conditionsOf, thresholdsAround, type Draft } from "./draft";

const PAUSE_MS = 500;
const DAYS = 7;
const QUICK = 12; // devices: a test of them answers in about a second
const MOST = 90; // devices: as many as a test of seven days in steps of five minutes may read

export interface Preview {
  answer: BacktestAnswer | undefined;
  days: number;
  at: number; // server time of the answer
  busy: boolean;
  error: ApiError | undefined;
  faults: Array<{ path: string; message: string }>;
}

/** A preview, with a way to test more devices than the first few. */
export interface WidePreview extends Preview {
  isWide: boolean;
  widen: () => void;
  again: () => void; // after an error
}

const NOTHING: Preview = { answer: undefined, days: DAYS, at: 0, busy: false, error: undefined, faults: [] };

function questionOf(draft: Draft): Record<string, unknown> | null {
  if (!canBeTested(draft)) return null;
  try {
    return { conditions: conditionsOf(draft), ...draft.place, device_type: draft.deviceType || null, keep_firing_minutes: draft.keep, thresholds: thresholdsAround(draft) };
  } catch {
    return null;
  }
}

/** Test a sample of the devices in reach; all of them where fewer are. */
function ask(question: Record<string, unknown>, devices: number, signal: AbortSignal): Promise<BacktestAnswer> {
  return call<BacktestAnswer>("POST", "/api/agents/alerts/backtest", { body: { ...question, days: DAYS, sample_devices: devices }, signal });
}

export function useBacktest(draft: Draft): WidePreview {
  const [preview, setPreview] = useState<Preview>(NOTHING);
  const [isWide, setWide] = useState(false);
  const [turn, setTurn] = useState(0);
  const question = questionOf(draft);
  const key = JSON.stringify(question);
  useEffect(() => {
    if (!question) {
      setPreview(NOTHING);
      return undefined;
    }
    const controller = new AbortController();
    setPreview((old) => ({ ...old, busy: true, error: undefined, faults: [] }));
    const timer = setTimeout(() => {
      ask(question, isWide ? MOST : QUICK, controller.signal).then(
        (answer) => setPreview({ answer, days: DAYS, at: serverNow(), busy: false, error: undefined, faults: [] }),
        (error: unknown) => {
          if (controller.signal.aborted) return;
          const known = error instanceof ApiError ? error : new ApiError(0, "page_fault", String(error));
          const faults = known.code === "invalid_request" && Array.isArray(known.details) ? (known.details as Preview["faults"]) : [];
          setPreview((old) => ({ ...old, busy: false, error: faults.length ? undefined : known, faults }));
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [key, isWide, turn]);
  return { ...preview, isWide, widen: () => setWide(true), again: () => setTurn((before) => before + 1) };
}
