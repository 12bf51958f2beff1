/** What the form does to the text. Each gives a change of the text, so that changes add up whatever else happened in between. */
import { duplicateItem, freeId, idOf, insertItem, isRecord, moveItem, type Path, renameKey, seeDraft, setAt, valueAt } from "./draft";
import { isName } from "./ids";
import { type Name, referencesTo, renameReferences } from "./references";

export type Change = (text: string) => string;
export type Step = Record<string, unknown>;

export const setIn =
  (path: Path, value: unknown): Change =>
  (text) =>
    setAt(text, path, value);

export function stepsOf(value: Record<string, unknown>): Step[] {
  return Array.isArray(value.steps) ? value.steps.map((step) => (isRecord(step) ? step : {})) : [];
}

export const idsOf = (value: Record<string, unknown>): string[] => stepsOf(value).map((step) => String(step.id ?? ""));

export const addStep =
  (step: Step, at: number): Change =>
  (text) =>
    insertItem(text, ["steps"], at, { ...step, id: freeId(String(step.id), idsOf(seeDraft(text).value)) });

export const moveStep =
  (from: number, to: number): Change =>
  (text) =>
    moveItem(text, ["steps"], from, to);

export const duplicateStep =
  (index: number): Change =>
  (text) => {
    const { value } = seeDraft(text);
    const step = stepsOf(value)[index] ?? {};
    return duplicateItem(text, ["steps"], index, { id: freeId(String(step.id ?? "step"), idsOf(value)), name: `${String(step.name ?? "Step")} (copy)`.slice(0, 200) });
  };

/** The last step cannot go: a process has at least one. */
export const deleteStep =
  (index: number): Change =>
  (text) =>
    stepsOf(seeDraft(text).value).length > 1 ? setAt(text, ["steps", index], undefined) : text;

/** A new name; the id follows as long as it is made of the name and nothing refers to it. */
export function renameStep(index: number, name: string): Change {
  return (text) => {
    const { value } = seeDraft(text);
    const step = stepsOf(value)[index] ?? {};
    const renamed = setAt(text, ["steps", index, "name"], name);
    const id = String(step.id ?? "");
    const follows = id.replace(/_\d+$/, "") === idOf(String(step.name ?? "")).replace(/_\d+$/, "") && referencesTo(text, ["steps", id]) === 0;
    if (!follows || !name.trim()) return renamed;
    return setAt(renamed, ["steps", index, "id"], freeId(idOf(name), idsOf(value).filter((_, at) => at !== index)));
  };
}

/** A new id; what other steps take from this one is taken from the new id. An id that is taken, or is none, changes nothing. */
export function changeStepId(index: number, id: string): Change {
  return (text) => {
    const { value } = seeDraft(text);
    const ids = idsOf(value);
    const old = ids[index];
    if (old === undefined || id === old || ids.includes(id) || !isName(id)) return text;
    const renamed = setAt(text, ["steps", index, "id"], id);
    // Of two steps with one id, the other one may be meant; an id that is none cannot be referred to.
    const known = isName(old) && ids.indexOf(old) === ids.lastIndexOf(old);
    return known ? renameReferences(renamed, ["steps", old], id) : renamed;
  };
}

/** What expressions call an input, a variable or a capture that stands in this mapping. Null when a step's id does not tell which step is meant. */
export function nameIn(text: string, mapping: Path, name: string): Name | null {
  const [part, index] = mapping;
  if (part === "inputs" || part === "vars") return [part, name];
  const ids = idsOf(seeDraft(text).value);
  const id = ids[index as number];
  return id !== undefined && isName(id) && ids.indexOf(id) === ids.lastIndexOf(id) ? ["steps", id, name] : null;
}

/** Another name for an input, a variable or a capture; what is taken from it is taken under the new name. A name that is taken, or is none, changes nothing. */
export function changeName(mapping: Path, old: string, name: string): Change {
  return (text) => {
    const present = valueAt(seeDraft(text).value, mapping);
    if (!isRecord(present) || !(old in present) || name in present || !isName(name)) return text;
    const called = nameIn(text, mapping, old);
    const renamed = renameKey(text, mapping, old, name);
    const everywhere = mapping[0] === "inputs" ? renameGivenInput(renamed, old, name) : renamed;
    return called ? renameReferences(everywhere, called, name) : everywhere;
  };
}

/** An input is also named outside expressions: as the key, by schedules that give it, by the population of the board. */
function renameGivenInput(text: string, old: string, name: string): string {
  const { value } = seeDraft(text);
  const schedules = Array.isArray(value.schedule) ? value.schedule : [];
  const named: Path[] = [["key"], ["population", "input"]];
  const written = named.filter((path) => valueAt(value, path) === old).reduce((all, path) => setAt(all, path, name), text);
  return schedules.reduce<string>((all, _, index) => renameKey(all, ["schedule", index, "inputs"], old, name), written);
}

/** The name of a new process; its id follows while it is made of the name. */
export function renameProcess(name: string, idFollows: boolean): Change {
  return (text) => {
    const { value } = seeDraft(text);
    const follows = idFollows && String(value.process ?? "") === idOf(String(value.name ?? ""), "-");
    const renamed = setAt(text, ["name"], name);
    return follows && name.trim() ? setAt(renamed, ["process"], idOf(name, "-")) : renamed;
  };
}

/** An assertion behind those that are there, and a capture under a free name. */
export const addAssertion =
  (index: number, assertion: Record<string, unknown>): Change =>
  (text) => {
    const present = valueAt(seeDraft(text).value, ["steps", index, "assert"]);
    return insertItem(text, ["steps", index, "assert"], Array.isArray(present) ? present.length : 0, assertion);
  };

export const addCapture =
  (index: number, name: string, capture: Record<string, unknown>): Change =>
  (text) => {
    const present = valueAt(seeDraft(text).value, ["steps", index, "capture"]);
    return setAt(text, ["steps", index, "capture", freeId(name, isRecord(present) ? Object.keys(present) : [])], capture);
  };

/** What a step looks at, in a few words. */
export function targetOf(step: Step): string {
  const check = isRecord(step.check) ? step.check : {};
  const where = check.url ?? check.path ?? check.query ?? "";
  const method = typeof check.method === "string" ? check.method : "";
  return [method, check.connection, typeof where === "string" ? where.replace(/\s+/g, " ") : ""].filter(Boolean).join(" · ");
}
