import clsx from "clsx";
import { Fragment } from "react";
import { tokensOfLine } from "@/lib/yaml";
import styles from "./CodeBlock.module.css";

/** Text as it is: long lines wrap, nothing in it is ever read as HTML. */
export function TextBlock({ text, label }: { text: string; label: string }) {
  return (
    <pre className={clsx(styles.block, styles.wrap)} tabIndex={0} role="region" aria-label={label}>
      {text}
    </pre>
  );
}

/** YAML with colours and line numbers. */
export function YamlBlock({ text, label }: { text: string; label: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <pre className={clsx(styles.block, styles.numbered)} tabIndex={0} role="region" aria-label={label}>
      <code>
        {lines.map((line, index) => (
          <Fragment key={index}>
            <span className={styles.line}>
              {tokensOfLine(line).map((token, position) => (
                <span key={position} className={styles[token.kind]}>
                  {token.text}
                </span>
              ))}
            </span>
            {"\n"}
          </Fragment>
        ))}
      </code>
    </pre>
  );
}
