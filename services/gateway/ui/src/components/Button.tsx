import clsx from "clsx";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import styles from "./Button.module.css";

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: "plain" | "primary" | "danger" | "quiet";
  busy?: boolean;
  shortcut?: string;
  ref?: Ref<HTMLButtonElement>;
  children: ReactNode;
};

export function Button({ look = "plain", busy = false, shortcut, className, children, disabled, type = "button", ...rest }: Props) {
  return (
    <button
      type={type}
      className={clsx(styles.button, styles[look], className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      aria-keyshortcuts={shortcut}
      {...rest}
    >
      {children}
      {shortcut && <Kbd>{shortcut}</Kbd>}
    </button>
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className={styles.kbd} aria-hidden="true">
      {children}
    </kbd>
  );
}

/** The same look for links that act like buttons. */
export const buttonClass = (look: "plain" | "primary" | "quiet" = "plain") => clsx(styles.button, styles[look]);
