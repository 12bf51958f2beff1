import { Link, useNavigate } from "@tanstack/react-router";
import clsx from "clsx";
import { useState } from "react";
import type { OverviewCounts, ProcessRow } from "@/api/types";
import { useIncidentsNotOver } from "@/api/useIncidents";
import { useLiveState } from "@/api/useLive";
import { Button, buttonClass } from "@/components/Button";
import { Icon, Logo } from "@/components/Icon";
import { Page } from "@/components/Page";
import { Empty, Loading, Problem } from "@/components/States";
import { StatusIcon } from "@/components/Status";
import { Strip } from "@/components/Strip";
import { Ago } from "@/components/Time";
import { Underway } from "@/components/Underway";
import { useNow } from "@/lib/clock";
import { formatClock } from "@/lib/format";
import { overviewVerdict, withoutVerdict } from "@/lib/overview";
import { usePreferences } from "@/lib/preferences";
import { useShortcut } from "@/lib/shortcuts";
import { tone } from "@/lib/status";
import { Standing } from "./OverviewRow";
import styles from "./WallScreen.module.css";

/** The overview for a screen on the wall: large, without anything to press but the way out. */
export function WallScreen({ rows, counts, error, onRetry }: { rows: readonly ProcessRow[]; counts: OverviewCounts | undefined; error: Error | null; onRetry: () => void }) {
  const navigate = useNavigate();
  const leave = () => void navigate({ to: "/", search: {} });
  useShortcut("Escape", leave);
  const pending = !counts && !error;
  const incidents = useIncidentsNotOver();
  return (
    <Page title="Wall screen" className={styles.wall}>
      <header className={styles.head}>
        <Logo size={34} />
        <h1>
          {counts
            ? overviewVerdict(counts, incidents).map((part, index) => (
                <span key={index} className={part.tone ? `${styles.emphasis} tone-${part.tone}` : undefined}>
                  {part.text}
                </span>
              ))
            : "Looking…"}
        </h1>
        <WallClock />
        <FullScreenButton />
        <Link to="/" search={{}} className={buttonClass("quiet")} aria-label="Leave the wall screen">
          <Icon name="cross" />
        </Link>
      </header>
      {pending && <Loading rows={6} label="Loading processes" />}
      {error && rows.length === 0 && <Problem error={error} onRetry={onRetry} />}
      {!pending && !error && rows.length === 0 && <Empty title="No process is active yet" />}
      {counts && counts.processes > rows.length && <p className={styles.rest}>The {rows.length} that need a look first. The sentence above speaks of all.</p>}
      <ul className={clsx(styles.tiles, rows.length > 24 ? styles.dense : rows.length <= 4 && styles.few)}>
        {rows.map((row) => (
          <Tile key={row.process_id} row={row} />
        ))}
      </ul>
    </Page>
  );
}

function Tile({ row }: { row: ProcessRow }) {
  const { state } = row;
  const running = (state.running ?? 0) > 0;
  return (
    <li className={clsx(styles.tile, `tone-${tone(state.last_status)}`, styles[tone(state.last_status)])}>
      <div className={styles.top}>
        <StatusIcon status={state.last_status} size="l" label />
        <div className={styles.words}>
          <Link to="/processes/$processId" params={{ processId: row.process_id }} className={styles.name}>
            {row.name}
          </Link>
          <div className={styles.state}>{state.last_status ? <Standing state={state} /> : withoutVerdict(state).standing}</div>
        </div>
        {running && <Underway running={state.running ?? 0} slowAt={row.slow_at} />}
      </div>
      {tone(state.last_status) !== "ok" && <p className={styles.says}>{[state.last_key, state.last_verdict].filter(Boolean).join(" · ")}</p>}
      <div className={styles.foot}>
        <Strip recent={state.recent ?? []} large />
        <span className={styles.age}>{state.last_run_at ? <Ago at={state.last_run_at} /> : ""}</span>
      </div>
    </li>
  );
}

/** The time of day, and whether what is shown is live: a stopped wall must not look like a quiet one. */
function WallClock() {
  const now = useNow();
  const { zone } = usePreferences();
  const live = useLiveState();
  return (
    <div className={styles.clock}>
      <span>{formatClock(new Date(now).toISOString(), zone)}</span>
      <span className={clsx(styles.live, live === "lost" ? "tone-overdue" : "tone-ok")}>{live === "lost" ? "not live" : live}</span>
    </div>
  );
}

function FullScreenButton() {
  const [possible] = useState(() => document.fullscreenEnabled);
  if (!possible) return null;
  const toggle = () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  return (
    <Button look="quiet" onClick={toggle}>
      <Icon name="screen" /> Full screen
    </Button>
  );
}
