import type { ConnectionTest } from "@/api/types";
import { Sign } from "@/components/Sign";
import { Ago } from "@/components/Time";
import { formatDuration } from "@/lib/format";
import styles from "./Connections.module.css";

/** What a worker found when it tried the connection, and when if that was before. */
export function TestResult({ result, at }: { result: Pick<ConnectionTest, "ok" | "message" | "elapsed_seconds">; at?: string | null }) {
  return (
    <div className={`${styles.result} tone-${result.ok ? "ok" : "failed"}`}>
      <Sign tone={result.ok ? "ok" : "failed"}>
        {result.ok ? "It works" : "It does not work"}
        {result.elapsed_seconds != null && `, ${formatDuration(result.elapsed_seconds)}`}
      </Sign>
      <p>{result.message}</p>
      {at && (
        <p>
          tried <Ago at={at} />
        </p>
      )}
    </div>
  );
}
