import type { Definition, RunView, StepView } from "@/api/types";

/** What a person chose to look at; it is in the address, so that a link shows the same. */
export type Selection = { step?: string; tab?: string; time?: 1; at?: number };

/** What every part of the page works from. */
export type Shown = {
  processId: string;
  name: string;
  run: RunView | null;
  /** Why there is no run to show although there may be one; null when it is known that there is none. */
  unread: "loading" | "failed" | null;
  definition: Definition | null;
  steps: readonly StepView[];
  step: StepView | null;
};
