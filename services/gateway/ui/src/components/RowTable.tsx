import clsx from "clsx";
import type { ReactNode } from "react";
import styles from "./RowTable.module.css";

export type Column<T> = {
  title: string;
  cell: (row: T) => ReactNode;
  /** `end` for figures, `fill` for the column that takes the room, `act` for buttons. */
  look?: "end" | "fill" | "act";
};

type Props<T> = { label: string; columns: readonly Column<T>[]; rows: readonly T[]; keyOf: (row: T) => string };

/** A table that becomes a list of cards where it has no room. Roles are said, because that layout would take them away. */
export function RowTable<T>({ label, columns, rows, keyOf }: Props<T>) {
  return (
    <table className={styles.table} role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, look }) => (
            <th key={title} role="columnheader" scope="col" className={look && styles[look]}>
              {look === "act" ? <span className="visually-hidden">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map(({ title, cell, look }, index) => (
              <td key={title} role="cell" data-title={title} className={clsx(look && styles[look], index === 0 && styles.first)}>
                {look === "act" ? cell(row) : <div className={styles.value}>{cell(row)}</div>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A name with a quiet second line. */
export function Named({ name, about }: { name: ReactNode; about?: ReactNode }) {
  return (
    <div className={styles.named}>
      <div>{name}</div>
      {about && <small>{about}</small>}
    </div>
  );
}
