import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { pictureQuery } from "@/api/queries";
import type { Evidence } from "@/api/types";
import { Problem } from "@/components/States";
import styles from "./EvidenceView.module.css";

/** A picture that a check has taken. Its bytes come as data and are drawn from memory: nothing of it is ever opened as a page. */
export function Picture({ runId, evidence }: { runId: string; evidence: Evidence }) {
  const picture = useQuery(pictureQuery(runId, evidence));
  const [whole, setWhole] = useState(false);
  if (picture.isError) return <Problem compact error={picture.error} onRetry={() => void picture.refetch()} />;
  if (!picture.data) return <p className={styles.note}>Reading…</p>;
  return (
    <button type="button" className={whole ? styles.wholePicture : styles.picture} onClick={() => setWhole(!whole)} aria-expanded={whole}>
      <img src={picture.data} alt={evidence.title} />
      <span className="visually-hidden">{whole ? "Show smaller" : "Show in full size"}</span>
    </button>
  );
}
