import { useState } from "react";
import { Button } from "@/components/Button";
import { Card } from "@/components/Page";
import { plural } from "@/lib/format";
import type { Lost } from "@/lib/import";
import styles from "./Editor.module.css";

/** What an import left behind, said once and in full. */
export function LostReport({ lost }: { lost: readonly Lost[] }) {
  const [open, setOpen] = useState(true);
  if (!open) return null;
  return (
    <Card aria-label="Import report" className={styles.report}>
      <div>
        <h2>{lost.length === 0 ? "Everything was carried over" : `${plural(lost.length, "thing")} could not be carried over`}</h2>
        <Button look="quiet" onClick={() => setOpen(false)}>
          Dismiss
        </Button>
      </div>
      <LostList lost={lost} />
    </Card>
  );
}

export function LostList({ lost }: { lost: readonly Lost[] }) {
  return (
    <ul className={styles.lost}>
      {lost.map(({ where, what }, index) => (
        <li key={index}>
          <b>{where}</b> {what}
        </li>
      ))}
    </ul>
  );
}
