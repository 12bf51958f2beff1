import { isRecord } from "@/lib/draft";
import { Value } from "./PickValue";
import styles from "./TryPanel.module.css";

/** So many members of one object or list are shown. */
const SHOWN = 100;
const DEEPEST = 30;
type Path = readonly (string | number)[];

/** JSON to be clicked: every value knows its path. */
export function JsonTree({ value, name }: { value: unknown; name: string }) {
  return (
    <div className={styles.tree} tabIndex={0} role="region" aria-label="Body as JSON">
      <Node value={value} path={[]} name={name} />
    </div>
  );
}

function Node({ value, path, name }: { value: unknown; path: Path; name: string }) {
  const nested = isRecord(value) || Array.isArray(value);
  if (!nested || path.length > DEEPEST || Object.keys(value).length === 0) return <Value id={`${name}.${path.join(".")}`} pick={{ kind: "json", path, value }} />;
  const members: [string | number, unknown][] = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  return (
    <ul className={path.length ? styles.nest : undefined}>
      {members.slice(0, SHOWN).map(([key, inside]) => (
        <Member key={key} label={key} value={inside} path={[...path, key]} name={name} />
      ))}
      {members.length > SHOWN && <li className={styles.key}>and {(members.length - SHOWN).toLocaleString("en")} more</li>}
    </ul>
  );
}

function Member({ label, value, path, name }: { label: string | number; value: unknown; path: Path; name: string }) {
  const nested = (isRecord(value) || Array.isArray(value)) && Object.keys(value).length > 0;
  if (!nested) {
    return (
      <li className={styles.row}>
        <span className={styles.key}>{label}:</span>
        <Node value={value} path={path} name={name} />
      </li>
    );
  }
  return (
    <li>
      <div className={styles.row}>
        <span className={styles.key}>{label}:</span>
        <Value id={`${name}.${path.join(".")}!`} pick={{ kind: "json", path, value: Array.isArray(value) ? [] : {} }} words={Array.isArray(value) ? `[${value.length}]` : "{…}"} />
      </div>
      <Node value={value} path={path} name={name} />
    </li>
  );
}
