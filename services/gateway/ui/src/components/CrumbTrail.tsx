import { Children, type ReactNode } from "react";
import styles from "./CrumbTrail.module.css";

/** Where a page stands, from the outermost to the page itself. */
export function CrumbTrail({ children }: { children: ReactNode }) {
  return (
    <nav className={styles.crumbs} aria-label="Where you are">
      <ol>
        {Children.toArray(children).map((child, index) => (
          <li key={index}>{child}</li>
        ))}
      </ol>
    </nav>
  );
}
