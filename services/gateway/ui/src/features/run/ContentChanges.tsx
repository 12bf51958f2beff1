import type { Change, ContentDiff } from "@/api/types";
import { DataTable } from "@/components/DataTable";
import { plural } from "@/lib/format";
import { asTable, showValue } from "@/lib/value";
import styles from "./EvidencePanel.module.css";

/** What a piece of evidence holds differently: a table, JSON by paths, or lines of text. */
export function ContentChanges({ content }: { content: ContentDiff }) {
  return (
    <section className={styles.stack} aria-label={`Difference in ${content.title}`}>
      <h3>{content.title}</h3>
      {content.table && <TableChanges title={content.title} table={content.table} />}
      <Changes changes={content.changes ?? []} label={`Values of ${content.title}`} />
      <Lines missing={content.missing_lines ?? []} found={content.new_lines ?? []} />
      {content.cut && <p className={styles.quiet}>It was too long to compare to its end.</p>}
    </section>
  );
}

/** Values by their path: what they were, and what they are. */
export function Changes({ changes, label, words = (path) => path }: { changes: readonly Change[]; label: string; words?: (path: string) => string }) {
  if (changes.length === 0) return null;
  return (
    <table className={styles.table} aria-label={label}>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Last good</th>
          <th scope="col">This run</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, before, after }) => (
          <tr key={path}>
            <td>{words(path)}</td>
            <td>
              <code>{showValue(before ?? null)}</code>
            </td>
            <td>
              <code>{showValue(after ?? null)}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TableChanges({ title, table }: { title: string; table: NonNullable<ContentDiff["table"]> }) {
  const { before_rows, after_rows, missing_rows = [], new_rows = [], missing_columns = [], new_columns = [], changed = [] } = table;
  return (
    <>
      <p className={styles.quiet}>
        {before_rows === after_rows ? `Both have ${plural(after_rows, "row")}.` : `${plural(before_rows, "row")} before, ${after_rows.toLocaleString("en")} now.`}
        {missing_columns.length > 0 && ` Columns that are gone: ${missing_columns.join(", ")}.`}
        {new_columns.length > 0 && ` New columns: ${new_columns.join(", ")}.`}
      </p>
      <Changes changes={changed} label={`Cells of ${title}`} />
      <Rows title="Rows that are gone" rows={missing_rows} />
      <Rows title="New rows" rows={new_rows} />
    </>
  );
}

function Rows({ title, rows }: { title: string; rows: readonly Record<string, unknown>[] }) {
  const table = asTable(rows);
  if (rows.length === 0 || !table) return null;
  return (
    <>
      <h3>{title}</h3>
      <DataTable table={table} caption={title} />
    </>
  );
}

function Lines({ missing, found }: { missing: readonly string[]; found: readonly string[] }) {
  if (missing.length + found.length === 0) return null;
  return (
    <ul className={styles.lines}>
      {missing.map((line, index) => (
        <li key={`-${index}`} className={styles.gone}>
          <span aria-hidden="true">−</span>
          <span className="visually-hidden">gone: </span>
          <code>{line}</code>
        </li>
      ))}
      {found.map((line, index) => (
        <li key={`+${index}`} className={styles.fresh}>
          <span aria-hidden="true">+</span>
          <span className="visually-hidden">new: </span>
          <code>{line}</code>
        </li>
      ))}
    </ul>
  );
}
