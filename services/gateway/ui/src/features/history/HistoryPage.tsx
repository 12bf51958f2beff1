import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { processesQuery, runsQuery } from "@/api/queries";
import { Button, buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Card, Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { HERE, SubNav } from "@/components/SubNav";
import { plural } from "@/lib/format";
import { dayEnd, dayStart, type HistorySearch } from "@/lib/search";
import { urls } from "@/lib/urls";
import { HistoryFilters } from "./HistoryFilters";
import styles from "./HistoryPage.module.css";
import { RunLine } from "./RunLine";

/** Names offered in the filter of processes. */
const OFFERED_PROCESSES = 200;

export function HistoryPage() {
  const search = useSearch({ from: "/inside/history" });
  const navigate = useNavigate();
  const filters = { ...search, since: dayStart(search.since), until: dayEnd(search.until) };
  const query = useInfiniteQuery(runsQuery({ ...filters, status: search.status && [search.status] }));
  const processes = useInfiniteQuery(processesQuery({}, OFFERED_PROCESSES));
  const runs = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Object.keys(search).length > 0;
  const change = (next: HistorySearch) => void navigate({ to: "/history", search: next, replace: true });

  return (
    <Page title="History">
      <header className={styles.head}>
        <h1>History</h1>
        {query.isSuccess && runs.length > 0 && <p role="status">{query.hasNextPage ? `the latest ${plural(runs.length, "run")}` : plural(runs.length, "run")}</p>}
        <div className={styles.exports}>
          <a className={buttonClass()} href={urls.export("csv", filters)} download>
            <Icon name="file" /> CSV
          </a>
          <a className={buttonClass()} href={urls.export("json", filters)} download>
            <Icon name="file" /> JSON
          </a>
        </div>
      </header>
      <SubNav label="History">
        <Link to="/history" search={search} activeOptions={HERE}>
          Runs
        </Link>
        <Link to="/history/trends" search={search.process_id ? { process_id: search.process_id } : {}} activeOptions={HERE}>
          Trends
        </Link>
      </SubNav>
      <HistoryFilters search={search} processes={processes.data?.pages[0]?.items ?? []} onChange={change} />
      <Card aria-label="Runs">
        {query.isPending && <Loading rows={8} label="Loading runs" />}
        {query.isError && runs.length === 0 && <Problem error={query.error} onRetry={() => void query.refetch()} />}
        {query.isSuccess && runs.length === 0 && (
          <Empty icon={filtered ? "filter" : "clock"} title={filtered ? "No run matches" : "Nothing has been checked yet"}>
            {filtered ? <Button onClick={() => change({})}>Clear filters</Button> : "Open a process and press Check: its run will be listed here."}
          </Empty>
        )}
        <ul>
          {runs.map((run) => (
            <RunLine key={run.run_id} run={run} />
          ))}
        </ul>
      </Card>
      {query.hasNextPage && (
        <div className={styles.more}>
          <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {query.isFetchingNextPage ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </Page>
  );
}
