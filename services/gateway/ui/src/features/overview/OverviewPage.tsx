import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { OVERVIEW_PAGE, processesQuery } from "@/api/queries";
import { buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Card, Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { counts, overviewVerdict, redFirst } from "@/lib/overview";
import styles from "./OverviewPage.module.css";
import { OverviewRow } from "./OverviewRow";
import { WallScreen } from "./WallScreen";

/** More rows than this are looked for by filters in the list of processes. */
const MOST_PAGES = 5;

export function OverviewPage() {
  const { wall } = useSearch({ from: "/inside/" });
  const navigate = useNavigate();
  const query = useInfiniteQuery(processesQuery({ active: true }, OVERVIEW_PAGE));
  const pages = query.data?.pages ?? [];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && pages.length < MOST_PAGES) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, pages.length]);

  const rows = redFirst(pages.flatMap((page) => page.items));
  const more = hasNextPage && pages.length >= MOST_PAGES;
  if (wall) return <WallScreen rows={rows} pending={query.isPending} error={query.error} />;
  return (
    <Page title="Overview">
      <header className={styles.head}>
        <div>
          <h1>Overview</h1>
          <p className={styles.verdict}>{query.isPending ? "Looking…" : <Sentence parts={overviewVerdict(rows)} />}</p>
        </div>
        <Link to="/" search={{ wall: 1 }} className={buttonClass()}>
          <Icon name="screen" /> Wall screen
        </Link>
      </header>
      {rows.length > 0 && <Counts rows={rows} />}
      <Card aria-label="Processes">
        {query.isPending && <Loading rows={8} label="Loading processes" />}
        {query.isError && rows.length === 0 && <Problem error={query.error} onRetry={() => void query.refetch()} />}
        {query.isSuccess && rows.length === 0 && (
          <Empty icon="plug" title="No process is active yet">
            A process is a chain of checks. Write one as YAML and apply it with <code>steptrail apply</code>, or start with <code>steptrail up --demo</code>.
          </Empty>
        )}
        <ul>
          {rows.map((row) => (
            <OverviewRow key={row.process_id} row={row} onPick={(runId) => void navigate({ to: "/runs/$runId", params: { runId } })} />
          ))}
        </ul>
      </Card>
      {more && (
        <p className={styles.more}>
          These are the first {rows.length.toLocaleString("en")} processes. <Link to="/processes">Find others with filters</Link>.
        </p>
      )}
    </Page>
  );
}

function Sentence({ parts }: { parts: ReturnType<typeof overviewVerdict> }) {
  return (
    <>
      {parts.map((part, index) => (
        <span key={index} className={part.tone ? `${styles.emphasis} tone-${part.tone}` : undefined}>
          {part.text}
        </span>
      ))}
    </>
  );
}

function Counts({ rows }: { rows: Parameters<typeof counts>[0] }) {
  return (
    <ul className={styles.counts} aria-label="Processes by state">
      {counts(rows).map(({ status, label, tone, count }) => (
        <li key={label}>
          <Link to="/processes" search={status ? { status } : {}} className={`${styles.count} tone-${tone}`}>
            <b>{count.toLocaleString("en")}</b> {label}
          </Link>
        </li>
      ))}
    </ul>
  );
}
