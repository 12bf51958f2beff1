import type { ProcessRow, StepFigures } from "@/api/types";
import { SelectField } from "@/components/Field";
import type { TrendsSearch } from "@/lib/search";
import { type Period, PERIODS, USUAL_PERIOD } from "@/lib/trends";
import styles from "./Trends.module.css";

type Props = { search: TrendsSearch; processId: string | undefined; processes: readonly ProcessRow[]; steps: readonly StepFigures[]; onChange: (next: TrendsSearch) => void };

const PERIOD_OPTIONS = PERIODS.map((days): [string, string] => [String(days), days === 365 ? "The last year" : `The last ${days} days`]);

export function TrendFilters({ search, processId, processes, steps, onChange }: Props) {
  const names = processes.map((row): [string, string] => [row.process_id, row.name]);
  const missing: [string, string][] = processId && !names.some(([id]) => id === processId) ? [[processId, processId]] : [];
  return (
    <form className={styles.filters} role="search" aria-label="Choose what to look at" onSubmit={(event) => event.preventDefault()}>
      <SelectField label="Process" hideLabel value={processId ?? ""} onChange={(event) => onChange({ days: search.days, process_id: event.target.value })} options={[...missing, ...names]} />
      <SelectField
        label="Step"
        hideLabel
        value={search.step_id ?? ""}
        onChange={(event) => onChange({ ...search, step_id: event.target.value || undefined })}
        options={[["", "Whole runs"], ...steps.map((step): [string, string] => [step.step_id, `${step.number} ${step.name}`])]}
      />
      <SelectField label="Period" hideLabel value={String(search.days ?? USUAL_PERIOD)} onChange={(event) => onChange({ ...search, days: Number(event.target.value) as Period })} options={PERIOD_OPTIONS} />
    </form>
  );
}
