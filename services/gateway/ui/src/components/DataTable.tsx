import type { Table } from "@/lib/value";
import { showValue } from "@/lib/value";
import styles from "./DataTable.module.css";

/** Rows beyond this are not drawn; the piece of evidence itself can be opened. */
const SHOWN_ROWS = 200;

/** Data as it was found, as text. */
export function DataTable({ table, caption }: { table: Table; caption: string }) {
  if (table.rows.length === 0) return <p className={styles.note}>No rows.</p>;
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label={caption}>
      <table className={styles.table}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {table.columns.map((column, index) => (
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.slice(0, SHOWN_ROWS).map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} className={cell === null || cell === undefined ? styles.nothing : undefined}>
                  <code>{cell === undefined ? "–" : showValue(cell)}</code>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {table.rows.length > SHOWN_ROWS && <p className={styles.note}>{`The first ${SHOWN_ROWS} of ${table.rows.length.toLocaleString("en")} rows.`}</p>}
    </div>
  );
}

/** Names and values, one a line. */
export function Facts({ facts }: { facts: readonly (readonly [string, unknown])[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value], index) => (
        <div key={index}>
          <dt>{name}</dt>
          <dd>
            <code>{showValue(value)}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
