import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useCallback } from "react";
import { overviewQuery } from "@/api/queries";
import type { OverviewCounts, ProcessRow, RunStatus } from "@/api/types";
import { useIncidentsNotOver } from "@/api/useIncidents";
import { useMay } from "@/api/useMe";
import { buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { LongList } from "@/components/LongList";
import { Card, Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { countsOf, overviewVerdict } from "@/lib/overview";
import styles from "./OverviewPage.module.css";
import { OverviewRow } from "./OverviewRow";
import { WallScreen } from "./WallScreen";

const ROW_PX = 62;

export function OverviewPage() {
  const { wall } = useSearch({ from: "/inside/" });
  const navigate = useNavigate();
  const query = useInfiniteQuery(overviewQuery);
  const mayWrite = useMay("processes.write");
  const counts = query.data?.pages[0];
  const incidents = useIncidentsNotOver();
  const rows = onceEach(query.data?.pages.flatMap((page) => page.items as ProcessRow[]) ?? []);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const more = useCallback(() => {
    if (!isFetchingNextPage) void fetchNextPage();
  }, [isFetchingNextPage, fetchNextPage]);
  const open = useCallback((runId: string) => void navigate({ to: "/runs/$runId", params: { runId } }), [navigate]);

  if (wall) return <WallScreen rows={rows} counts={counts} error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <Page title="Overview">
      <header className={styles.head}>
        <div>
          <h1>Overview</h1>
          <p className={styles.verdict}>{counts ? <Sentence parts={overviewVerdict(counts, incidents)} /> : "Looking…"}</p>
        </div>
        <Link to="/" search={{ wall: 1 }} className={buttonClass()}>
          <Icon name="screen" /> Wall screen
        </Link>
      </header>
      {counts && counts.processes > 0 && <Counts counts={counts} />}
      <Card aria-label="Processes">
        {query.isPending && <Loading rows={8} label="Loading processes" />}
        {query.isError && rows.length === 0 && <Problem error={query.error} onRetry={() => void query.refetch()} />}
        {query.isSuccess && rows.length === 0 && (
          <Empty icon="plug" title="No process is active yet">
            <p>
              A process is a chain of checks. {mayWrite ? "Make one here, write" : "Write"} one as YAML and apply it with <code>steptrail apply</code>, or start with <code>steptrail up --demo</code>.
            </p>
            {mayWrite && (
              <p className={styles.first}>
                <Link to="/processes/new" className={buttonClass("primary")}>
                  New process
                </Link>
              </p>
            )}
          </Empty>
        )}
        <LongList items={rows} keyOf={(row) => row.process_id} estimate={ROW_PX} onNearEnd={hasNextPage ? more : undefined}>
          {(row) => <OverviewRow row={row} onPick={open} />}
        </LongList>
      </Card>
    </Page>
  );
}

/** A row that moved between two pages while they were read comes once. */
function onceEach(rows: readonly ProcessRow[]): ProcessRow[] {
  return [...new Map(rows.map((row) => [row.process_id, row])).values()];
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

function Counts({ counts }: { counts: OverviewCounts }) {
  return (
    <ul className={styles.counts} aria-label="Processes by state">
      {countsOf(counts).map(({ status, label, tone, count }) => (
        <li key={label}>
          <CountOf status={status} className={`${styles.count} tone-${tone}`}>
            <b>{count.toLocaleString("en")}</b> {label}
          </CountOf>
        </li>
      ))}
    </ul>
  );
}

/** Leads to those processes, where the list can be filtered so. */
function CountOf({ status, className, children }: { status: RunStatus | null; className: string; children: ReactNode }) {
  if (!status) return <span className={className}>{children}</span>;
  return (
    <Link to="/processes" search={{ status, active: "yes" }} className={className}>
      {children}
    </Link>
  );
}
