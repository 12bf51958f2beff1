import clsx from "clsx";
import { type ReactNode, type TextareaHTMLAttributes, useId } from "react";
import styles from "./Field.module.css";

type Props = TextareaHTMLAttributes<HTMLTextAreaElement> & { label: ReactNode; hint?: ReactNode; error?: string | null; code?: boolean; hideLabel?: boolean };

/** A labelled text of several lines that grows with what is in it. */
export function TextArea({ label, hint, error, code = false, hideLabel = false, className, ...rest }: Props) {
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return (
    <div className={clsx(styles.field, className)}>
      <label htmlFor={id} className={hideLabel ? "visually-hidden" : styles.label}>
        {label}
      </label>
      <textarea {...rest} id={id} className={clsx(styles.input, styles.area, code && styles.code, error && styles.bad)} aria-invalid={error ? true : undefined} aria-describedby={about} />
      {error && (
        <p id={`${id}-error`} className={styles.error} role="alert">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  );
}
