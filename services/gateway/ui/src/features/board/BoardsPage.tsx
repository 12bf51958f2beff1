import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { boardQuery } from "@/api/boards";
import { processesQuery } from "@/api/queries";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Listing } from "@/components/Listing";
import { Empty } from "@/components/States";
import { worstFirst } from "@/lib/board";
import { BoardLine } from "./BoardLine";
import styles from "./Boards.module.css";

const BOARDS_PAGE = 50;

/** Every process that knows its open keys, the one with the oldest waiting key first. */
export function BoardsPage() {
  const query = useInfiniteQuery(processesQuery({ board: true }, BOARDS_PAGE));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const boards = useQueries({ queries: rows.map((row) => boardQuery(row.process_id)) });
  const read = rows.map((row, index) => ({ row, board: boards[index]?.data, error: boards[index]?.error ?? null }));
  // Rows change their places once, when the last board has come, and not under the eyes with each of them.
  const shown = boards.some((board) => board.isPending) ? read : worstFirst(read);
  return (
    <Page title="Stuck boards">
      <PageHead title="Stuck boards" about="Which keys are open, at which step they wait, and for how long: asked with one query per step, without a run for each of them." />
      <Card aria-label="Stuck boards">
        <Listing
          read={query}
          count={rows.length}
          label="stuck boards"
          empty={
            <Empty icon="hourglass" title="No process has a stuck board yet">
              A process gets one when its definition has a <code>population</code>, the query that returns the open keys, and steps with a <code>set</code>, the query that returns the keys that passed.
            </Empty>
          }
        >
          <ul className={styles.list}>
            {shown.map((one) => (
              <BoardLine key={one.row.process_id} {...one} />
            ))}
          </ul>
        </Listing>
      </Card>
    </Page>
  );
}
