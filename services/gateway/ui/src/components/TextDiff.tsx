import { diffLines } from "diff";
import { useMemo } from "react";
import styles from "./TextDiff.module.css";

type Line = { kind: "same" | "gone" | "new" | "fold"; text: string; before: number | null; after: number | null };
/** So many unchanged lines stay around a change; the others are folded. */
const AROUND = 3;

/** What changed between two texts, line by line, with a sign and colour for each. */
export function TextDiff({ before, after, beforeName, afterName }: { before: string; after: string; beforeName: string; afterName: string }) {
  const lines = useMemo(() => folded(linesOf(before, after)), [before, after]);
  if (before === after) return <p className={styles.same}>There is no difference.</p>;
  return (
    <div className={styles.diff} tabIndex={0} role="region" aria-label={`Difference from ${beforeName} to ${afterName}`}>
      <div className={styles.legend}>
        <span>− {beforeName}</span>
        <span>+ {afterName}</span>
      </div>
      <table>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">{beforeName}</th>
            <th scope="col">{afterName}</th>
            <th scope="col">Change</th>
            <th scope="col">Text</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, index) => (
            <tr key={index} className={styles[line.kind]}>
              <td>{line.before}</td>
              <td>{line.after}</td>
              <td>
                {{ same: "", gone: "−", new: "+", fold: "" }[line.kind]}
                {(line.kind === "gone" || line.kind === "new") && <span className="visually-hidden">{line.kind === "gone" ? "removed" : "added"}</span>}
              </td>
              <td>
                <code>{line.text}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function linesOf(before: string, after: string): Line[] {
  let left = 0;
  let right = 0;
  return diffLines(before, after).flatMap((part) => {
    const texts = part.value.replace(/\n$/, "").split("\n");
    return texts.map((text): Line => {
      if (part.added) return { kind: "new", text, before: null, after: (right += 1) };
      if (part.removed) return { kind: "gone", text, before: (left += 1), after: null };
      return { kind: "same", text, before: (left += 1), after: (right += 1) };
    });
  });
}

function folded(lines: Line[]): Line[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - AROUND), index + AROUND + 1).some((line) => line.kind !== "same"));
  const shown: Line[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    if (near[index]) shown.push(lines[index]!);
    else {
      let end = index;
      while (end + 1 < lines.length && !near[end + 1]) end += 1;
      shown.push({ kind: "fold", text: `${end - index + 1} unchanged ${end === index ? "line" : "lines"}`, before: null, after: null });
      index = end;
    }
  }
  return shown;
}
