import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { boardKeysQuery } from "@/api/boards";
import { startRun } from "@/api/commands";
import type { BoardKey, StuckBoard } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Empty } from "@/components/States";
import { StatusBadge } from "@/components/Status";
import { Ago, Stood } from "@/components/Time";
import { TypedField } from "@/components/TypedField";
import { plural } from "@/lib/format";
import type { BoardSearch } from "@/lib/search";
import styles from "./Board.module.css";

type Props = { board: StuckBoard; search: BoardSearch; onChange: (next: BoardSearch) => void };

/** The open keys, oldest first, each with its newest run. */
export function Keys({ board, search, onChange }: Props) {
  const mayStart = useMay("runs.start");
  const query = useInfiniteQuery(boardKeysQuery(board.process_id, { step_id: search.step, finished: search.finished === 1 || undefined, q: search.q }));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const step = (board.steps ?? []).find((one) => one.step_id === search.step);
  const columns: Column<BoardKey>[] = [
    { title: "Key", cell: (row) => <KeyName row={row} /> },
    { title: "Waits at", look: "fill", cell: (row) => (row.step_id ? <Named name={row.step_name} about={<>here for <Stood since={row.here_since} /></>} /> : <span className={styles.quiet}>passed every counted step</span>) },
    { title: "Open for", look: "end", cell: ({ since_at }) => (since_at ? <Stood since={since_at} /> : "–") },
    { title: "Last run", cell: (row) => (row.run_id ? <Named name={<StatusBadge status={row.run_status} />} about={row.run_at && <Ago at={row.run_at} />} /> : <span className={styles.quiet}>never checked</span>) },
  ];
  if (mayStart && board.input) columns.push({ title: "What to do", look: "act", cell: (row) => <CheckKey board={board} keyText={row.key} /> });
  return (
    <>
      <Toolbar>
        <p aria-live="polite">
          <b>{step ? `Waiting at ${step.number} “${step.name}”` : search.finished ? "Passed every counted step" : plural(board.open_keys ?? 0, "open key")}</b>
        </p>
        <TypedField label="Find a key" placeholder="Key begins with" value={search.q ?? ""} onChange={(q) => onChange({ ...search, q: q || undefined })} />
      </Toolbar>
      <Listing
        read={query}
        count={rows.length}
        label="keys"
        empty={
          <Empty icon={search.q ? "filter" : "check"} title={search.q ? "No key begins so" : "Nothing waits here"}>
            {search.q ? "Try fewer letters, or all steps." : undefined}
          </Empty>
        }
      >
        <RowTable label="Open keys" columns={columns} rows={rows} keyOf={(row) => row.key} />
      </Listing>
    </>
  );
}

function KeyName({ row }: { row: BoardKey }) {
  if (!row.run_id) return <b>{row.key}</b>;
  return (
    <Link to="/runs/$runId" params={{ runId: row.run_id }} className={styles.key}>
      {row.key}
    </Link>
  );
}

/** Checks one key now, and shows the run. */
function CheckKey({ board, keyText }: { board: StuckBoard; keyText: string }) {
  const navigate = useNavigate();
  const start = useMutation({
    mutationFn: () => startRun({ process_id: board.process_id, inputs: { [board.input!]: keyText } }),
    onSuccess: ({ run_id }) => void navigate({ to: "/runs/$runId", params: { runId: run_id } }),
  });
  return (
    <>
      {start.error && (
        <small role="alert" className={styles.fault}>
          {start.error.message}
        </small>
      )}
      <Button busy={start.isPending} aria-label={`Check ${keyText}`} onClick={() => start.mutate()}>
        Check
      </Button>
    </>
  );
}
