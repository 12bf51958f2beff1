import type { ConnectionTest } from "@/api/types";
import { Sign } from "@/components/Sign";
import { formatDuration } from "@/lib/format";
import styles from "./Connections.module.css";

/** What a worker found when it tried the connection. */
export function TestResult({ result }: { result: ConnectionTest }) {
  return (
    <div className={`${styles.result} tone-${result.ok ? "ok" : "failed"}`}>
      <Sign tone={result.ok ? "ok" : "failed"}>
        {result.ok ? "It works" : "It does not work"}
        {result.elapsed_seconds != null && `, ${formatDuration(result.elapsed_seconds)}`}
      </Sign>
      <p>{result.message}</p>
    </div>
  );
}
