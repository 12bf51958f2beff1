import { useInfiniteQuery } from "@tanstack/react-query";
import { auditQuery } from "@/api/administration";
import type { AuditEntry } from "@/api/types";
import { Button } from "@/components/Button";
import { SelectField, TextField } from "@/components/Field";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { TypedField } from "@/components/TypedField";
import { deedWords, DEEDS, isAlarming } from "@/lib/people";
import { type AdministrationSearch, dayEnd, dayStart } from "@/lib/search";
import { showValue } from "@/lib/value";
import styles from "./Administration.module.css";

const COLUMNS: Column<AuditEntry>[] = [
  { title: "When", cell: ({ at, number }) => <Named name={<Ago at={at} />} about={`line ${number}`} /> },
  { title: "Who", cell: ({ actor, address }) => <Named name={<b>{actor}</b>} about={address ?? undefined} /> },
  { title: "Did what", look: "fill", cell: (entry) => <Deed entry={entry} /> },
  { title: "Detail", cell: ({ detail }) => <Details detail={detail ?? {}} /> },
  {
    title: "Chained by",
    cell: ({ hash }) => (
      <code className={styles.hash} title={hash}>
        {hash.slice(0, 10)}
      </code>
    ),
  },
];

/** Who did what, newest first. Lines are only ever added, and chained, so that a changed one shows. */
export function AuditLog({ search, onChange }: { search: AdministrationSearch; onChange: (next: AdministrationSearch) => void }) {
  const query = useInfiniteQuery(auditQuery({ actor: search.actor, action: search.action, since: dayStart(search.since), until: dayEnd(search.until) }));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Boolean(search.actor ?? search.action ?? search.since ?? search.until);
  const set = (name: keyof AdministrationSearch) => (value: string) => onChange({ ...search, tab: "audit", [name]: value || undefined });
  return (
    <>
      <Toolbar>
        <TypedField label="Who" placeholder="Who, exactly" value={search.actor ?? ""} onChange={set("actor")} />
        <SelectField label="Deed" hideLabel value={search.action ?? ""} onChange={(event) => set("action")(event.target.value)} options={DEEDS} />
        <TextField label="From day" hideLabel type="date" value={search.since ?? ""} onChange={(event) => set("since")(event.target.value)} />
        <span aria-hidden="true">–</span>
        <TextField label="To day" hideLabel type="date" value={search.until ?? ""} onChange={(event) => set("until")(event.target.value)} />
        {filtered && (
          <Button look="quiet" onClick={() => onChange({ tab: "audit" })}>
            Clear
          </Button>
        )}
      </Toolbar>
      <Listing read={query} count={rows.length} label="the audit log" rows={8} empty={<Empty icon="filter" title="No line matches">Try another name, deed or period.</Empty>}>
        <RowTable label="Audit log" columns={COLUMNS} rows={rows} keyOf={(row) => String(row.number)} />
      </Listing>
    </>
  );
}

function Deed({ entry }: { entry: AuditEntry }) {
  const words = deedWords(entry.action);
  return (
    <>
      {isAlarming(entry.action) ? <Sign tone="warn">{words}</Sign> : words} {entry.object && <code>{entry.object}</code>}
    </>
  );
}

function Details({ detail }: { detail: Record<string, unknown> }) {
  const facts = Object.entries(detail);
  if (facts.length === 0) return <span className={styles.quiet}>–</span>;
  return <>{facts.map(([name, value]) => `${name} ${showValue(value)}`).join(", ")}</>;
}
