import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import clsx from "clsx";
import { useDeferredValue, useRef, useState } from "react";
import { processesQuery, runsQuery } from "@/api/queries";
import type { ProcessRow, RunSummary } from "@/api/types";
import { Kbd } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { StatusIcon } from "@/components/Status";
import { Ago } from "@/components/Time";
import { useShortcut } from "@/lib/shortcuts";
import styles from "./GlobalSearch.module.css";

const OFFERED = 6;

type Hit = { id: string; go: () => void; content: React.ReactNode; group: string };

/** Type a process or a key such as an order number, and jump there. */
export function GlobalSearch() {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [marked, setMarked] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const term = useDeferredValue(text.trim());
  const { hits, busy, failed } = useHits(term, open);
  useShortcut("/", () => input.current?.focus());

  const close = () => {
    setOpen(false);
    setText("");
    input.current?.blur();
  };
  const choose = (hit: Hit | undefined) => {
    if (!hit) return;
    hit.go();
    close();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowDown") setMarked((at) => Math.min(at + 1, hits.length - 1));
    else if (event.key === "ArrowUp") setMarked((at) => Math.max(at - 1, 0));
    else if (event.key === "Enter") choose(hits[marked]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  };
  const shown = open && term.length > 0;
  return (
    <div className={styles.search} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}>
      <Icon name="search" size={15} className={styles.lens} />
      <input
        ref={input}
        role="combobox"
        aria-label="Search or jump to"
        aria-expanded={shown}
        aria-controls="jump-list"
        aria-autocomplete="list"
        aria-activedescendant={shown && hits[marked] ? `jump-${hits[marked].id}` : undefined}
        placeholder="Search or jump to…"
        value={text}
        maxLength={200}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => setOpen(true)}
        onChange={(event) => {
          setText(event.target.value);
          setMarked(0);
          setOpen(true);
        }}
        onKeyDown={onKeyDown}
      />
      <Kbd>/</Kbd>
      <ul id="jump-list" role="listbox" aria-label="Results" className={styles.list} hidden={!shown}>
        {hits.map((hit, index) => (
          <li
            key={hit.id}
            id={`jump-${hit.id}`}
            role="option"
            aria-selected={index === marked}
            className={clsx(styles.hit, index === marked && styles.marked, hits[index - 1]?.group !== hit.group && styles.first)}
            data-group={hit.group}
            onMouseDown={(event) => event.preventDefault()}
            onMouseMove={() => setMarked(index)}
            onClick={() => choose(hit)}
          >
            {hit.content}
          </li>
        ))}
        {hits.length === 0 && <li className={styles.note}>{failed ? "The search could not be answered." : busy ? "Searching…" : `Nothing is called “${term}”.`}</li>}
      </ul>
    </div>
  );
}

function useHits(term: string, open: boolean): { hits: Hit[]; busy: boolean; failed: boolean } {
  const navigate = useNavigate();
  const enabled = open && term.length > 0;
  const processes = useInfiniteQuery({ ...processesQuery({ q: term }, OFFERED), enabled, staleTime: 10_000 });
  const runs = useInfiniteQuery({ ...runsQuery({ key: term }, OFFERED), enabled, staleTime: 10_000 });
  if (!enabled) return { hits: [], busy: false, failed: false };
  const processHits = (processes.data?.pages[0]?.items ?? []).map((row) => ({
    id: `p-${row.process_id}`,
    group: "Processes",
    go: () => void navigate({ to: "/processes/$processId", params: { processId: row.process_id } }),
    content: <ProcessHit row={row} />,
  }));
  const runHits = (runs.data?.pages[0]?.items ?? []).map((run) => ({
    id: `r-${run.run_id}`,
    group: "Runs",
    go: () => void navigate({ to: "/runs/$runId", params: { runId: run.run_id } }),
    content: <RunHit run={run} />,
  }));
  return { hits: [...runHits, ...processHits], busy: processes.isFetching || runs.isFetching, failed: processes.isError && runs.isError };
}

function ProcessHit({ row }: { row: ProcessRow }) {
  return (
    <>
      <StatusIcon status={row.state.last_status} size="s" label />
      <span className={styles.title}>{row.name}</span>
      <span className={styles.side}>{row.category}</span>
    </>
  );
}

function RunHit({ run }: { run: RunSummary }) {
  return (
    <>
      <StatusIcon status={run.status} size="s" label />
      <span className={styles.title}>
        <b>{run.key}</b> {run.verdict.text}
        <small>{run.process_name}</small>
      </span>
      <span className={styles.side}>
        <Ago at={run.queued_at} />
      </span>
    </>
  );
}
