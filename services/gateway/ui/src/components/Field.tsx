import clsx from "clsx";
import type { InputHTMLAttributes, ReactNode, Ref, SelectHTMLAttributes } from "react";
import { useId } from "react";
import styles from "./Field.module.css";

type Frame = { label: ReactNode; hint?: ReactNode; error?: string | null; hideLabel?: boolean };

type TextProps = Frame & InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement> };

/** A labelled input. The error stands beside it and is read with it. */
export function TextField({ label, hint, error, hideLabel, className, ...rest }: TextProps) {
  const id = useId();
  return (
    <Framed id={id} label={label} hint={hint} error={error} hideLabel={hideLabel} className={className}>
      <input
        {...rest}
        id={id}
        className={clsx(styles.input, error && styles.bad)}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy(id, hint, error)}
      />
    </Framed>
  );
}

type SelectProps = Frame & SelectHTMLAttributes<HTMLSelectElement> & { options: readonly (readonly [string, string])[] };

export function SelectField({ label, hint, error, hideLabel, options, className, ...rest }: SelectProps) {
  const id = useId();
  return (
    <Framed id={id} label={label} hint={hint} error={error} hideLabel={hideLabel} className={className}>
      <select
        {...rest}
        id={id}
        className={clsx(styles.input, styles.select, error && styles.bad)}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy(id, hint, error)}
      >
        {options.map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </Framed>
  );
}

function describedBy(id: string, hint: ReactNode, error: string | null | undefined): string | undefined {
  return [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
}

function Framed({ id, label, hint, error, hideLabel, className, children }: Frame & { id: string; className?: string; children: ReactNode }) {
  return (
    <div className={clsx(styles.field, className)}>
      <label htmlFor={id} className={hideLabel ? "visually-hidden" : styles.label}>
        {label}
      </label>
      {children}
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
