import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useMe } from "@/api/useMe";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Tabs } from "@/components/Tabs";
import type { AdministrationSearch } from "@/lib/search";
import { About } from "./About";
import { Account } from "./Account";
import styles from "./Administration.module.css";
import { AuditLog } from "./AuditLog";
import { Users } from "./Users";
import { Workers } from "./Workers";

type Change = (next: AdministrationSearch) => void;
type Part = { id: NonNullable<AdministrationSearch["tab"]>; label: string; needs: string; content: (search: AdministrationSearch, change: Change) => ReactNode };

const PARTS: readonly Part[] = [
  { id: "workers", label: "Workers and queues", needs: "workers.read", content: () => <Workers /> },
  { id: "users", label: "Accounts", needs: "users.manage", content: () => <Users /> },
  { id: "account", label: "Your tokens and password", needs: "tokens.own", content: () => <Account /> },
  { id: "audit", label: "Audit log", needs: "audit.read", content: (search, change) => <AuditLog search={search} onChange={change} /> },
  { id: "about", label: "About and health", needs: "about.read", content: () => <About /> },
];

/** Accounts, tokens, the audit log, workers and health: each for those who may see it. */
export function AdministrationPage() {
  const search = useSearch({ from: "/inside/administration" });
  const navigate = useNavigate();
  const me = useMe();
  const change: Change = (next) => void navigate({ to: "/administration", search: next, replace: true });
  const tabs = PARTS.filter(({ needs }) => me?.permissions.includes(needs)).map(({ id, label, content }) => ({ id, label, content: content(search, change) }));
  const chosen = tabs.some(({ id }) => id === search.tab) ? search.tab! : (tabs[0]?.id ?? "");
  return (
    <Page title="Administration">
      <PageHead title="Administration" />
      <Card className={styles.card}>
        <Tabs label="Administration" tabs={tabs} value={chosen} onChange={(tab) => change({ tab: tab as AdministrationSearch["tab"] })} />
      </Card>
    </Page>
  );
}
