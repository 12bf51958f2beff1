import { describe, expect, it } from "vitest";
import type { BoardStep, StuckBoard } from "@/api/types";
import { boardSentence, shares, worstFirst } from "@/lib/board";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const step = (number: number, waiting: number, oldest_since: string | null) => ({ step_id: `s${number}`, number, name: `Step ${number}`, owner: null, counted: true, waiting, passed: 10 - waiting, oldest_since, oldest_age_seconds: null }) as BoardStep;
const sentence = (open_keys: number, finished: number, steps: BoardStep[]) => {
  const { lead, emphasis, tail } = boardSentence({ open_keys, finished, steps } as StuckBoard, NOW);
  return lead + emphasis + tail;
};

describe("the stuck board", () => {
  it("says how many wait, and where the oldest does", () => {
    const steps = [step(1, 0, null), step(2, 2, "2026-03-01T09:00:00Z"), step(3, 1, "2026-03-01T05:00:00Z")];
    expect(sentence(10, 7, steps)).toBe("3 of 10 open keys wait, the oldest 7\u00a0h at 3 “Step 3”.");
    expect(sentence(1, 0, [step(1, 1, null)])).toBe("1 of 1 open key waits.");
    expect([sentence(0, 0, []), sentence(1, 1, []), sentence(4, 4, [])]).toEqual(["No key is open.", "The one open key has passed every counted step.", "All 4 open keys have passed every counted step."]);
  });

  it("shows one waiting key of ten thousand", () => {
    expect(shares(step(1, 1, null), 10_000).waiting).toBe(1.5);
    expect(shares({ ...step(1, 10, null), passed: 0 }, 10)).toEqual({ passed: 0, waiting: 100 });
    expect(shares(step(1, 1, null), 0)).toEqual({ passed: 0, waiting: 0 });
  });
});

describe("the list of boards", () => {
  const board = (process_id: string, about: Partial<StuckBoard>) => ({ board: { process_id, state: "ready", open_keys: 0, finished: 0, steps: [], ...about } as StuckBoard });
  it("has the oldest waiting key first, then the most waiting, and what is not known last", () => {
    const boards = [
      { board: undefined },
      board("never", { state: "never_taken" }),
      board("quiet", { open_keys: 4, finished: 4 }),
      board("few", { open_keys: 1, steps: [step(1, 1, null)] }),
      board("many", { open_keys: 9, steps: [step(1, 9, null)] }),
      board("young", { open_keys: 1, steps: [step(1, 1, "2026-03-01T11:00:00Z")] }),
      board("old", { open_keys: 1, steps: [step(1, 1, "2026-03-01T05:00:00Z")] }),
    ];
    expect(worstFirst(boards).map((one) => one.board?.process_id)).toEqual(["old", "young", "many", "few", "quiet", undefined, "never"]);
  });
});
