import { useEffect, useRef, useState } from "react";
import type { Facets, RunStatus } from "@/api/types";
import { Button } from "@/components/Button";
import { SelectField, TextField } from "@/components/Field";
import type { ProcessesSearch } from "@/lib/search";
import { RUN_STATUSES, word } from "@/lib/status";
import styles from "./ProcessesPage.module.css";

/** Typing pauses this long before the list is asked again. */
const TYPING_MS = 250;

type Props = { search: ProcessesSearch; facets: Facets | undefined; onChange: (next: ProcessesSearch) => void };

export function Filters({ search, facets, onChange }: Props) {
  const set = (name: keyof ProcessesSearch) => (event: { target: { value: string } }) => {
    const next: ProcessesSearch = { ...search, [name]: event.target.value };
    onChange(Object.fromEntries(Object.entries(next).filter(([, value]) => value)) as ProcessesSearch);
  };
  return (
    <form className={styles.filters} role="search" aria-label="Filter processes" onSubmit={(event) => event.preventDefault()}>
      <SearchField value={search.q ?? ""} onChange={(q) => set("q")({ target: { value: q } })} />
      <SelectField label="State" hideLabel value={search.status ?? ""} onChange={set("status")} options={statusOptions()} />
      <SelectField label="Category" hideLabel value={search.category ?? ""} onChange={set("category")} options={facetOptions("Any category", facets?.categories, search.category)} />
      <SelectField label="Tag" hideLabel value={search.tag ?? ""} onChange={set("tag")} options={facetOptions("Any tag", facets?.tags, search.tag)} />
      <SelectField label="Owner" hideLabel value={search.owner ?? ""} onChange={set("owner")} options={facetOptions("Any owner", facets?.owners, search.owner)} />
      <SelectField
        label="Active"
        hideLabel
        value={search.active ?? ""}
        onChange={set("active")}
        options={[
          ["", "Active or not"],
          ["yes", "Active"],
          ["no", "Not active"],
        ]}
      />
      {Object.keys(search).length > 0 && (
        <Button look="quiet" onClick={() => onChange({})}>
          Clear
        </Button>
      )}
    </form>
  );
}

function statusOptions(): [string, string][] {
  return [["", "Any state"], ...RUN_STATUSES.map((status: RunStatus): [string, string] => [status, word(status)])];
}

/** The values that exist, with how many have them; a chosen one stays offered even if nothing has it any more. */
function facetOptions(any: string, facets: Facets["categories"] | undefined, chosen: string | undefined): [string, string][] {
  const known = (facets ?? []).map(({ value, count }): [string, string] => [value, `${value} (${count})`]);
  const missing: [string, string][] = chosen && !known.some(([value]) => value === chosen) ? [[chosen, chosen]] : [];
  return [["", any], ...known, ...missing];
}

function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const latest = useRef(onChange);
  useEffect(() => {
    latest.current = onChange;
  });
  useEffect(() => {
    // The address changed without us, by Clear or by going back.
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text.trim() === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text.trim();
      latest.current(text.trim());
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <TextField
      label="Search processes"
      hideLabel
      type="search"
      placeholder="Search by name, id or description"
      className={styles.search}
      value={text}
      maxLength={200}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
