import { Link } from "@tanstack/react-router";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Card, Page } from "@/components/Page";
import { TEMPLATES } from "@/lib/templates";
import styles from "./Editor.module.css";
import type { Beginning } from "./EditorPage";
import { ImportForm } from "./ImportForm";

/** How a new process begins: with a template, or with something that is there already. */
export function StartPage({ onBegin }: { onBegin: (beginning: Beginning) => void }) {
  return (
    <Page title="New process" className={styles.start}>
      <header className={styles.head}>
        <CrumbTrail>
          <Link to="/processes">Processes</Link>
          <span>New process</span>
        </CrumbTrail>
        <h1>New process</h1>
        <p>Nothing is saved until you press Save.</p>
      </header>
      <h2 className={styles.subhead}>Start from a template</h2>
      <div className={styles.templates}>
        {TEMPLATES.map((template) => (
          <button key={template.id} type="button" className={styles.template} onClick={() => onBegin({ yaml: template.yaml })}>
            <b>{template.name}</b>
            <span>{template.about}</span>
          </button>
        ))}
      </div>
      <h2 className={styles.subhead}>Or bring something in</h2>
      <Card aria-label="Import" className={styles.import}>
        <ImportForm onBegin={onBegin} />
      </Card>
    </Page>
  );
}
