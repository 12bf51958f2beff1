import type { ProcessView } from "@/api/types";
import { Button } from "@/components/Button";
import { Banner } from "@/components/States";
import styles from "./Editor.module.css";

type Props = { process: ProcessView; saved: ProcessView; dirty: boolean; onTake: () => void; onCompare: () => void };

/** Somebody else saved while this page is open: said at once, not only when saving fails. */
export function Newer({ process, saved, dirty, onTake, onCompare }: Props) {
  if (process.revision <= saved.revision) return null;
  return (
    <div className={styles.newer}>
      <Banner tone="overdue">
        {process.updated_by} saved revision {process.revision} in the meantime.{" "}
        <Button look="quiet" onClick={dirty ? onCompare : onTake}>
          {dirty ? "Compare" : "Load it"}
        </Button>
      </Banner>
    </div>
  );
}
