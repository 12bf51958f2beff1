import clsx from "clsx";
import { type ReactNode, useEffect } from "react";
import styles from "./Page.module.css";

/** The frame of a page: its title for the browser's tab, its width. `heading` names a page that shows no name of its own. */
export function Page({ title, children, className, heading = false }: { title: string; children: ReactNode; className?: string; heading?: boolean }) {
  useEffect(() => {
    document.title = title === "Steptrail" ? title : `${title} · Steptrail`;
  }, [title]);
  return (
    <main id="main" tabIndex={-1} className={clsx(styles.page, className)}>
      {heading && <h1 className="visually-hidden">{title}</h1>}
      {children}
    </main>
  );
}

export function Card({ children, className, ...rest }: { children: ReactNode; className?: string; id?: string; "aria-label"?: string; role?: string }) {
  return (
    <section className={clsx(styles.card, className)} {...rest}>
      {children}
    </section>
  );
}

/** A short grey box with a heading: a fact beside other facts. */
export function Box({ title, children, className }: { title: ReactNode; children: ReactNode; className?: string }) {
  return (
    <div className={clsx(styles.box, className)}>
      <div className={styles.title}>{title}</div>
      <div>{children}</div>
    </div>
  );
}
