import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { processesQuery } from "@/api/queries";
import { figuresQuery, trendQuery } from "@/api/trends";
import { buttonClass } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Empty, Loading, Problem } from "@/components/States";
import { HERE, SubNav } from "@/components/SubNav";
import { serverNow } from "@/lib/clock";
import type { TrendsSearch } from "@/lib/search";
import { plural } from "@/lib/format";
import { periodStart, USUAL_PERIOD } from "@/lib/trends";
import { urls } from "@/lib/urls";
import { Figures } from "./Figures";
import { SlowSteps } from "./SlowSteps";
import { TrendCharts } from "./TrendCharts";
import { TrendFilters } from "./TrendFilters";
import styles from "./Trends.module.css";

const OFFERED_PROCESSES = 200;

/** How a process fared, day by day: success, durations, and which steps cost the time. */
export function TrendsPage() {
  const search = useSearch({ from: "/inside/history/trends" });
  const navigate = useNavigate();
  const [now] = useState(serverNow);
  const since = periodStart(search.days ?? USUAL_PERIOD, now);
  const list = useInfiniteQuery(processesQuery({}, OFFERED_PROCESSES));
  const processes = list.data?.pages[0]?.items ?? [];
  const processId = search.process_id ?? processes[0]?.process_id;
  const figures = useQuery({ ...figuresQuery(processId ?? "", since), enabled: processId !== undefined, placeholderData: (before) => before });
  const trend = useQuery({ ...trendQuery(processId ?? "", search.step_id, since), enabled: processId !== undefined, placeholderData: (before) => before });
  const change = (next: TrendsSearch) => void navigate({ to: "/history/trends", search: next, replace: true, resetScroll: false });
  const failure = figures.error ?? trend.error ?? (processId ? null : list.error);
  const filters = { process_id: processId, since };
  const step = figures.data?.steps.find((one) => one.step_id === search.step_id);
  return (
    <Page title="Trends">
      <PageHead title="History" about="How a process fared over time. Days are UTC days; a day without runs is a gap.">
        {processId && (
          <>
            <a className={buttonClass()} href={urls.export("csv", filters)} download>
              <Icon name="file" /> CSV
            </a>
            <a className={buttonClass()} href={urls.export("json", filters)} download>
              <Icon name="file" /> JSON
            </a>
          </>
        )}
      </PageHead>
      <SubNav label="History">
        <Link to="/history" search={processId && search.process_id ? { process_id: processId } : {}} activeOptions={HERE}>
          Runs
        </Link>
        <Link to="/history/trends" search={search} activeOptions={HERE}>
          Trends
        </Link>
      </SubNav>
      <TrendFilters search={search} processId={processId} processes={processes} steps={figures.data?.steps ?? []} onChange={change} />
      {failure && !(figures.data && trend.data) && <Problem error={failure} onRetry={() => void Promise.all([list.refetch(), figures.refetch(), trend.refetch()])} />}
      {!failure && list.isSuccess && !processId && (
        <Card>
          <Empty icon="clock" title="There are no processes yet">
            Once one was checked, its figures stand here.
          </Empty>
        </Card>
      )}
      {!failure && (list.isPending || (processId !== undefined && (!figures.data || !trend.data))) && <Loading rows={6} label="Loading the figures" />}
      {figures.data && trend.data && (
        <div className={styles.stack} aria-busy={figures.isPlaceholderData || trend.isPlaceholderData || undefined}>
          {figures.data.runs === 0 ? (
            <Card>
              <Empty icon="clock" title="Nothing was measured in this period">
                {figures.data.missed_starts > 0 && `${plural(figures.data.missed_starts, "scheduled start was", "scheduled starts were")} missed: Steptrail was not running when they were due. `}
                Choose a longer one, or check the process.
              </Empty>
            </Card>
          ) : (
            <>
              <Figures figures={figures.data} readAt={figures.dataUpdatedAt} onRefresh={() => void Promise.all([figures.refetch(), trend.refetch()])} />
              <TrendCharts trend={trend.data} of={step ? `step ${step.number} “${step.name}”` : "whole runs"} />
              <SlowSteps steps={figures.data.steps} chosen={search.step_id} onChoose={(step_id) => change({ ...search, process_id: processId, step_id })} />
            </>
          )}
        </div>
      )}
    </Page>
  );
}
