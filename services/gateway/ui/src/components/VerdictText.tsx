import type { RunStatus, Verdict } from "@/api/types";
import { tone } from "@/lib/status";
import styles from "./VerdictText.module.css";

/** The run in one sentence; what matters in it wears the colour of the state. */
export function VerdictText({ verdict, status }: { verdict: Verdict; status: RunStatus }) {
  if (!verdict.emphasis) return <>{verdict.text}</>;
  return (
    <>
      {verdict.lead}
      <span className={`${styles.emphasis} tone-${tone(status)}`}>{verdict.emphasis}</span>
      {verdict.tail}
    </>
  );
}
