/** Beginnings of new processes. */
import { freeId, readDraft, setAt } from "./draft";

/** A copy with an id and name of its own, not active until somebody says so: two of the same would both tell people. */
export function duplicateOf(yaml: string): string {
  const { value } = readDraft(yaml);
  const id = typeof value.process === "string" ? value.process : "process";
  const name = typeof value.name === "string" ? value.name : "Process";
  const named = setAt(setAt(yaml, ["process"], freeId(`${id.slice(0, 55)}-copy`, [], "-")), ["name"], `${name.slice(0, 190)} (copy)`);
  return setAt(named, ["active"], false);
}
