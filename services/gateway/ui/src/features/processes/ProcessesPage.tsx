import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { facetsQuery, type ProcessFilters, processesQuery } from "@/api/queries";
import { useMay } from "@/api/useMe";
import { Button, buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Card, Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import type { ProcessesSearch } from "@/lib/search";
import { Filters } from "./Filters";
import { ProcessLine } from "./ProcessLine";
import styles from "./ProcessesPage.module.css";

function filtersOf({ active, tag, status, ...others }: ProcessesSearch): ProcessFilters {
  return { ...others, tag: tag && [tag], status: status && [status], active: active && active === "yes" } as ProcessFilters;
}

/** A page filtered by state can come back short or empty: then the next ones are read by themselves. */
const FILLED_ROWS = 20;
const MOST_SHORT_PAGES = 20;

function useFilled({ hasNextPage, isFetching, fetchNextPage }: { hasNextPage: boolean; isFetching: boolean; fetchNextPage: () => unknown }, rows: number, pages: number): void {
  useEffect(() => {
    if (hasNextPage && !isFetching && rows < FILLED_ROWS && pages < MOST_SHORT_PAGES) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, rows, pages]);
}

export function ProcessesPage() {
  const search = useSearch({ from: "/inside/processes" });
  const navigate = useNavigate();
  const mayWrite = useMay("processes.write");
  const facets = useQuery(facetsQuery);
  const query = useInfiniteQuery(processesQuery(filtersOf(search)));
  const pages = query.data?.pages ?? [];
  const rows = pages.flatMap((page) => page.items);
  useFilled(query, rows.length, pages.length);
  const filtered = Object.keys(search).length > 0;
  const change = (next: ProcessesSearch) => void navigate({ to: "/processes", search: next, replace: true });

  return (
    <Page title="Processes">
      <header className={styles.head}>
        <h1>Processes</h1>
        {query.isSuccess && (
          <p role="status">
            {rows.length.toLocaleString("en")}
            {query.hasNextPage ? " shown, more below" : rows.length === 1 ? " process" : " processes"}
          </p>
        )}
        {mayWrite && (
          <Link to="/processes/new" className={`${buttonClass("primary")} ${styles.new}`}>
            <Icon name="plus" size={14} /> New process
          </Link>
        )}
      </header>
      <Filters search={search} facets={facets.data} onChange={change} />
      <Card aria-label="List of processes">
        {query.isPending && <Loading rows={8} label="Loading processes" />}
        {query.isError && rows.length === 0 && <Problem error={query.error} onRetry={() => void query.refetch()} />}
        {query.isSuccess && rows.length === 0 && filtered && (
          <Empty icon="filter" title="No process matches">
            <p>Try fewer filters or another word.</p>
            <Button onClick={() => change({})}>Clear filters</Button>
          </Empty>
        )}
        {query.isSuccess && rows.length === 0 && !filtered && (
          <Empty icon="plug" title="There are no processes yet">
            {mayWrite ? "Make one here, or write it" : "Write one"} as YAML and apply it with <code>steptrail apply</code>.
          </Empty>
        )}
        {rows.length > 0 && (
          <div className={styles.table} role="table" aria-label="Processes">
            <div className={styles.titles} role="row">
              {["State", "Process", "Last verdict", "Last run", "Last 30 runs"].map((title) => (
                <span key={title} role="columnheader">
                  {title}
                </span>
              ))}
            </div>
            {rows.map((row) => (
              <ProcessLine
                key={row.process_id}
                row={row}
                mayWrite={mayWrite}
                onPick={(runId) => void navigate({ to: "/runs/$runId", params: { runId } })}
                onFilter={(filter) => change({ ...search, ...filter })}
              />
            ))}
          </div>
        )}
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
