import type { RunStatus, Verdict } from "@/api/types";
import { unparted } from "@/lib/format";
import { tone } from "@/lib/status";
import styles from "./VerdictText.module.css";

/** The run in one sentence; what matters in it wears the colour of the state. */
export function VerdictText({ verdict, status }: { verdict: Verdict; status: RunStatus }) {
  if (!verdict.emphasis) return <>{unparted(verdict.text)}</>;
  return (
    <>
      {unparted(verdict.lead)}
      <span className={`${styles.emphasis} tone-${tone(status)}`}>{verdict.emphasis}</span>
      {unparted(verdict.tail)}
    </>
  );
}
