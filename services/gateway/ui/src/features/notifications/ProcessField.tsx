import { useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue, useId } from "react";
import { processesQuery } from "@/api/queries";
import { TextField } from "@/components/Field";

const OFFERED = 20;

type Props = { value: string; error?: string; onChange: (processId: string) => void };

/** The id of a process; those whose name or id fits what is typed are offered, however many there are. */
export function ProcessField({ value, error, onChange }: Props) {
  const list = useId();
  const wanted = useDeferredValue(value.trim());
  const query = useInfiniteQuery(processesQuery(wanted ? { q: wanted } : {}, OFFERED));
  const offered = query.data?.pages[0]?.items ?? [];
  const named = offered.find((one) => one.process_id === value.trim())?.name;
  const unknown = wanted !== "" && query.isSuccess && !named;
  return (
    <>
      <TextField
        label="Of process"
        placeholder="Every process"
        list={list}
        value={value}
        error={error}
        hint={unknown ? "No process has this id yet." : named}
        onChange={(event) => onChange(event.target.value)}
        autoComplete="off"
        spellCheck={false}
        maxLength={64}
      />
      <datalist id={list}>
        {offered.map((one) => (
          <option key={one.process_id} value={one.process_id}>
            {one.name}
          </option>
        ))}
      </datalist>
    </>
  );
}
