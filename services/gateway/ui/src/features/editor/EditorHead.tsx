import { Link } from "@tanstack/react-router";
import type { ProcessView } from "@/api/types";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Ago } from "@/components/Time";
import styles from "./Editor.module.css";

/** Where one is, and whether what stands here is saved. */
export function EditorHead({ saved, name, dirty }: { saved: ProcessView | null; name: string; dirty: boolean }) {
  return (
    <header className={styles.head}>
      <CrumbTrail>
        <Link to="/processes">Processes</Link>
        {saved && (
          <Link to="/processes/$processId" params={{ processId: saved.process_id }}>
            {saved.name}
          </Link>
        )}
        <span>{saved ? "Edit" : "New process"}</span>
      </CrumbTrail>
      <h1>{name || (saved ? saved.process_id : "New process")}</h1>
      <p role="status" aria-label="Saved">
        {saved ? (
          <>
            Revision {saved.revision}, saved <Ago at={saved.updated_at} /> by {saved.updated_by}
            {dirty && <b> · unsaved changes</b>}
          </>
        ) : (
          "Not saved yet"
        )}
      </p>
    </header>
  );
}
