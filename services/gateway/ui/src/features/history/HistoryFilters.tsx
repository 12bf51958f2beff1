import type { ProcessRow } from "@/api/types";
import { Button } from "@/components/Button";
import { SelectField, TextField } from "@/components/Field";
import { TypedField } from "@/components/TypedField";
import type { HistorySearch } from "@/lib/search";
import { RUN_STATUSES, word } from "@/lib/status";
import styles from "./HistoryPage.module.css";

const TRIGGER_OPTIONS: [string, string][] = [
  ["", "Any start"],
  ["manual", "by hand"],
  ["api", "by API"],
  ["cli", "by command line"],
  ["schedule", "by schedule"],
  ["recheck", "from a failed step"],
];

type Props = { search: HistorySearch; processes: readonly ProcessRow[]; onChange: (next: HistorySearch) => void };

export function HistoryFilters({ search, processes, onChange }: Props) {
  const set = (name: keyof HistorySearch) => (value: string) => {
    const next = { ...search, [name]: value };
    onChange(Object.fromEntries(Object.entries(next).filter(([, chosen]) => chosen)) as HistorySearch);
  };
  const names = processes.map((row): [string, string] => [row.process_id, row.name]);
  const chosen = search.process_id;
  const missing: [string, string][] = chosen && !names.some(([id]) => id === chosen) ? [[chosen, chosen]] : [];
  const late = search.since && search.until && search.until < search.since ? "The end is before the start." : null;
  return (
    <form className={styles.filters} role="search" aria-label="Filter runs" onSubmit={(event) => event.preventDefault()}>
      <TypedField label="Key" placeholder="Key, such as 4711" value={search.key ?? ""} onChange={set("key")} />
      <SelectField
        label="Process"
        hideLabel
        value={chosen ?? ""}
        onChange={(event) => set("process_id")(event.target.value)}
        options={[["", "Any process"], ...names, ...missing]}
      />
      <SelectField
        label="State"
        hideLabel
        value={search.status ?? ""}
        onChange={(event) => set("status")(event.target.value)}
        options={[["", "Any state"], ...RUN_STATUSES.map((status): [string, string] => [status, word(status)])]}
      />
      <SelectField label="Started" hideLabel value={search.trigger ?? ""} onChange={(event) => set("trigger")(event.target.value)} options={TRIGGER_OPTIONS} />
      <TypedField label="Started by" placeholder="Started by" value={search.initiated_by ?? ""} onChange={set("initiated_by")} />
      <div className={styles.period}>
        <TextField label="From day" hideLabel type="date" value={search.since ?? ""} onChange={(event) => set("since")(event.target.value)} />
        <span aria-hidden="true">–</span>
        <TextField label="To day" hideLabel type="date" value={search.until ?? ""} error={late} onChange={(event) => set("until")(event.target.value)} />
      </div>
      {Object.keys(search).length > 0 && (
        <Button look="quiet" onClick={() => onChange({})}>
          Clear
        </Button>
      )}
    </form>
  );
}
