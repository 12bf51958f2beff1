import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { boardQuery, takeBoard } from "@/api/boards";
import type { StuckBoard } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button, buttonClass } from "@/components/Button";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Card, Page } from "@/components/Page";
import { Banner, Empty, Loading, Problem } from "@/components/States";
import { Ago } from "@/components/Time";
import { useNow } from "@/lib/clock";
import { boardSentence } from "@/lib/board";
import { formatDuration } from "@/lib/format";
import type { BoardSearch } from "@/lib/search";
import styles from "./Board.module.css";
import { Funnel } from "./Funnel";
import { Keys } from "./Keys";

/** Where every open key of a process stands. */
export function BoardPage() {
  const { processId } = useParams({ from: "/inside/processes/$processId/stuck-board" });
  const search = useSearch({ from: "/inside/processes/$processId/stuck-board" });
  const navigate = useNavigate();
  const queries = useQueryClient();
  const mayTake = useMay("runs.start");
  const query = useQuery(boardQuery(processId));
  const take = useMutation({
    mutationFn: () => takeBoard(processId),
    onSuccess: (board) => queries.setQueryData(boardQuery(processId).queryKey, board),
  });
  const board = query.data;
  const takenAt = board?.taken_at;
  // Whoever took it anew: the keys beside the funnel are those of the same board.
  useEffect(() => {
    if (takenAt) void queries.invalidateQueries({ queryKey: ["board", processId, "keys"] });
  }, [queries, processId, takenAt]);
  if (!board) {
    return (
      <Page title="Stuck board" heading>
        {query.isError ? <Problem error={query.error} onRetry={() => void query.refetch()} /> : <Loading rows={7} label="Loading the stuck board" />}
      </Page>
    );
  }
  const change = (next: BoardSearch) => void navigate({ to: "/processes/$processId/stuck-board", params: { processId }, search: next, replace: true, resetScroll: false });
  const taken = board.state === "ready";
  return (
    <Page title={`Stuck board of ${board.process_name}`}>
      <CrumbTrail>
        <Link to="/stuck-boards">Stuck boards</Link>
        <span>{board.process_name}</span>
      </CrumbTrail>
      <header className={styles.head}>
        <div className={styles.words}>
          <h1>
            <b>{board.process_name}</b> <span>· stuck board</span>
          </h1>
          {taken && <BoardVerdict board={board} />}
          {board.taken_at && (
            <p className={styles.facts}>
              Taken <Ago at={board.taken_at} /> by {board.taken_by} in {formatDuration(board.duration_seconds)}
              {board.revision != null && <>, with revision {board.revision}</>}
            </p>
          )}
        </div>
        <Link to="/processes/$processId" params={{ processId }} className={buttonClass()}>
          Its runs
        </Link>
        {mayTake && taken && (
          <Button look="primary" busy={take.isPending} onClick={() => take.mutate()}>
            {take.isPending ? "Asking…" : "Refresh"}
          </Button>
        )}
      </header>
      {take.error && <Problem compact error={take.error} />}
      {board.failed_at && board.message && (
        <Banner tone="failed">
          Taking it anew failed <Ago at={board.failed_at} />: {board.message}. What you see is the board before.
        </Banner>
      )}
      {taken ? (
        <div className={styles.two}>
          <Card aria-label="Steps">
            <Funnel board={board} search={search} onChange={change} />
          </Card>
          <Card aria-label="Open keys">
            <Keys board={board} search={search} onChange={change} />
          </Card>
        </div>
      ) : (
        <Card>
          <Empty icon="hourglass" title="The board was not taken yet">
            <p>One query asks which keys are open, and one per step which of them have passed it. Nothing is changed there.</p>
            {mayTake && (
              <Button look="primary" busy={take.isPending} onClick={() => take.mutate()}>
                {take.isPending ? "Asking…" : "Take the board"}
              </Button>
            )}
          </Empty>
        </Card>
      )}
    </Page>
  );
}

function BoardVerdict({ board }: { board: StuckBoard }) {
  const { lead, emphasis, tail } = boardSentence(board, useNow());
  return (
    <p className={styles.verdict} data-testid="board-verdict">
      {lead}
      {emphasis && <span>{emphasis}</span>}
      {tail}
    </p>
  );
}
