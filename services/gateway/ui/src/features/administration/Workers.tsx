import { useQuery } from "@tanstack/react-query";
import { queuesQuery, workersQuery } from "@/api/administration";
import type { Queue, Worker } from "@/api/types";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { type Column, RowTable } from "@/components/RowTable";
import { Sign, Tag } from "@/components/Sign";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { plural } from "@/lib/format";
import { kindWord } from "@/lib/status";
import styles from "./Administration.module.css";

const QUEUES: Column<Queue>[] = [
  { title: "Kind of check", look: "fill", cell: ({ check_type }) => <b>{kindWord(check_type)}</b> },
  { title: "Waiting", look: "end", cell: ({ depth }) => (depth === null ? <span className={styles.quiet}>not known</span> : depth.toLocaleString("en")) },
  { title: "Listening", cell: ({ workers }) => (workers === 0 ? <Sign tone="failed">nobody</Sign> : <Sign tone="ok">{plural(workers, "worker")}</Sign>) },
  { title: "Last result", look: "end", cell: ({ last_result_at }) => (last_result_at ? <Ago at={last_result_at} /> : <span className={styles.quiet}>none lately</span>) },
];

const WORKERS: Column<Worker>[] = [
  { title: "Worker", cell: ({ worker_id }) => <b>{worker_id}</b> },
  { title: "Checks", look: "fill", cell: ({ check_types }) => <Kinds types={check_types} /> },
  { title: "State", cell: ({ alive }) => (alive ? <Sign tone="ok">alive</Sign> : <Sign tone="failed">silent</Sign>) },
  { title: "Load", look: "end", cell: ({ load, capacity }) => <Load load={load} capacity={capacity} /> },
  { title: "Version", cell: ({ version }) => version },
  { title: "Last heard from", look: "end", cell: ({ last_seen_at }) => <Ago at={last_seen_at} /> },
];

/** Who does the work, and how much of it waits. Loud when nobody listens for a kind of check. */
export function Workers() {
  const queues = useQuery(queuesQuery);
  const workers = useQuery(workersQuery);
  const deserted = (queues.data ?? []).filter((queue) => queue.workers === 0);
  return (
    <>
      {deserted.length > 0 && (
        <div className={styles.loud} role="alert">
          <Icon name="bang" />
          No worker listens for {deserted.map((queue) => kindWord(queue.check_type)).join(", ")}: such steps wait until one does.
        </div>
      )}
      <section aria-label="Queues">
        <div className={styles.part}>
          <h2>Queues</h2>
        </div>
        <Listing read={queues} count={queues.data?.length ?? 0} label="queues" empty={<Empty icon="hourglass" title="No queue is known yet" />}>
          <RowTable label="Queues" columns={QUEUES} rows={queues.data ?? []} keyOf={(row) => row.check_type} />
        </Listing>
      </section>
      <section aria-label="Workers">
        <div className={styles.part}>
          <h2>Workers</h2>
        </div>
        <Listing
          read={workers}
          count={workers.data?.length ?? 0}
          label="workers"
          empty={
            <Empty icon="bang" title="No worker has been heard from">
              Checks wait until a crawler or a dbprobe runs.
            </Empty>
          }
        >
          <RowTable label="Workers" columns={WORKERS} rows={workers.data ?? []} keyOf={(row) => row.worker_id} />
        </Listing>
      </section>
    </>
  );
}

function Kinds({ types }: { types: readonly string[] }) {
  return (
    <div className={styles.types}>
      {types.map((type) => (
        <Tag key={type}>{kindWord(type)}</Tag>
      ))}
    </div>
  );
}

function Load({ load, capacity }: { load: number; capacity: number }) {
  return (
    <span className={styles.load}>
      <meter min={0} max={Math.max(1, capacity)} value={load} aria-label={`${load} of ${capacity} in use`} />
      {load} of {capacity}
    </span>
  );
}
