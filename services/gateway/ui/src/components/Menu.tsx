import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import styles from "./Menu.module.css";
import { Icon } from "./Icon";

/** A menu on a button. Not modal: the page behind stays as it is, and no style is injected for it. */
export function Menu({ trigger, children, align = "end" }: { trigger: ReactNode; children: ReactNode; align?: "start" | "end" }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={styles.menu} align={align} sideOffset={6} collisionPadding={8}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function MenuItem({ onSelect, children, hint }: { onSelect: () => void; children: ReactNode; hint?: ReactNode }) {
  return (
    <DropdownMenu.Item className={styles.item} onSelect={onSelect}>
      <span>{children}</span>
      {hint && <span className={styles.hint}>{hint}</span>}
    </DropdownMenu.Item>
  );
}

/** A file to save. */
export function MenuLink({ href, download, children, hint }: { href: string; download: string | true; children: ReactNode; hint?: ReactNode }) {
  return (
    <DropdownMenu.Item className={styles.item} asChild>
      <a href={href} download={download === true ? "" : download}>
        <span>{children}</span>
        {hint && <span className={styles.hint}>{hint}</span>}
      </a>
    </DropdownMenu.Item>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className={styles.label}>{children}</DropdownMenu.Label>;
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className={styles.separator} />;
}

/** One choice of several. */
export function MenuChoice<T extends string>(props: { label: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void }) {
  return (
    <DropdownMenu.RadioGroup value={props.value} onValueChange={(value) => props.onChange(value as T)} aria-label={props.label}>
      <MenuLabel>{props.label}</MenuLabel>
      {props.options.map(([value, name]) => (
        <DropdownMenu.RadioItem key={value} value={value} className={styles.item} onSelect={(event) => event.preventDefault()}>
          <span>{name}</span>
          <DropdownMenu.ItemIndicator className={styles.tick}>
            <Icon name="check" size={14} />
          </DropdownMenu.ItemIndicator>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}
