import { Tabs as Radix } from "radix-ui";
import { type ReactNode, useEffect, useRef } from "react";
import styles from "./Tabs.module.css";

export type Tab = { id: string; label: ReactNode; content: ReactNode };

/** Tabs with arrow keys; only the chosen one is drawn. */
export function Tabs({ label, tabs, value, onChange }: { label: string; tabs: readonly Tab[]; value: string; onChange: (id: string) => void }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // On a phone the chosen tab may lie beyond the edge of the row.
    const row = list.current;
    const chosen = row?.querySelector<HTMLElement>('[data-state="active"]');
    if (row && chosen) row.scrollLeft = Math.min(Math.max(row.scrollLeft, chosen.offsetLeft - row.offsetLeft + chosen.offsetWidth + 24 - row.clientWidth), chosen.offsetLeft - row.offsetLeft);
  }, [value]);
  return (
    <Radix.Root value={value} onValueChange={onChange} className={styles.root}>
      <Radix.List ref={list} className={styles.list} aria-label={label}>
        {tabs.map((tab) => (
          <Radix.Trigger key={tab.id} value={tab.id} className={styles.tab}>
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.id} value={tab.id} className={styles.content}>
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
