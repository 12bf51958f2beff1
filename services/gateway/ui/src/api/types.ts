/** The API's shapes under the names the pages use. Generated: nothing here is written by hand but the names. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type About = Schemas["About"];
export type ProcessRow = Omit<Schemas["ProcessRow"], "state"> & { state: ProcessState };
/** `recent` is pairs of run id and status; the client's types know them only as lists. */
export type ProcessState = Omit<Schemas["ProcessState"], "recent"> & { recent?: string[][] };
export type ProcessView = Schemas["ProcessView"];
export type Definition = ProcessView["definition"];
export type Step = Definition["steps"][number];
export type Check = Step["check"];
export type Input = NonNullable<Definition["inputs"]>[string];
export type Assertion = NonNullable<Step["assert"]>[number];
export type Capture = NonNullable<Step["capture"]>[string];
export type RevisionSummary = Schemas["RevisionSummary"];
export type RevisionView = Schemas["RevisionView"];
export type RunSummary = Schemas["RunSummary"];
export type RunView = Schemas["RunView"];
export type StepView = Schemas["StepView"];
export type AttemptView = Schemas["AttemptView"];
export type Evidence = Schemas["Evidence"];
export type Finding = Schemas["Finding"];
export type AssertionOutcome = Schemas["AssertionOutcome"];
export type RunEvent = Schemas["RunEvent"];
export type GridColumn = Schemas["GridColumn"];
export type RunStatus = Schemas["RunStatus"];
export type StepStatus = Schemas["StepStatus"];
export type FailureClass = Schemas["FailureClass"];
export type Verdict = Schemas["Verdict"];
export type RunDiff = Schemas["RunDiff"];
export type StepDiff = Schemas["StepDiff"];
export type Facets = Schemas["Facets"];
export type Schedule = NonNullable<Definition["schedule"]>[number];
