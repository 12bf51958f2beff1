import clsx from "clsx";
import { type ReactNode, useEffect, useId, useRef } from "react";
import styles from "./Dialog.module.css";
import { Icon } from "./Icon";

type Props = { title: string; subtitle?: ReactNode; onClose: () => void; children: ReactNode; /** `full` for what stands side by side. */ wide?: boolean | "full" };

/** A modal built on the browser's own dialog: it holds the focus, closes on Escape and gives the focus back. */
export function Dialog({ title, subtitle, onClose, children, wide = false }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || dialog.open) return;
    dialog.showModal();
    // Who opened a form wants to write into it; the browser would begin at the button that closes it.
    dialog.querySelector<HTMLElement>("input:not([readonly]):not([hidden]), select, textarea")?.focus();
  }, []);
  return (
    <dialog
      ref={ref}
      className={clsx(styles.dialog, wide && styles.wide, wide === "full" && styles.full)}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === ref.current && onClose()}
    >
      <div className={styles.inside}>
        {/* no <header>: outside of the page's main part that would be a second banner */}
        <div className={styles.head}>
          <div>
            <h2 id={titleId}>{title}</h2>
            {subtitle && <p className={styles.subtitle}>{subtitle}</p>}
          </div>
          <button type="button" className={styles.close} onClick={onClose} aria-label="Close">
            <Icon name="cross" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** The row of buttons at the end of a dialog. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>;
}
