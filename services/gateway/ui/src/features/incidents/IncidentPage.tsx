import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { type Deed, incidentQuery } from "@/api/incidents";
import type { IncidentView } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button, buttonClass } from "@/components/Button";
import { CrumbTrail } from "@/components/CrumbTrail";
import { Box, Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Sign } from "@/components/Sign";
import { StatusBadge } from "@/components/Status";
import { Loading, Problem } from "@/components/States";
import { Ago } from "@/components/Time";
import { plural } from "@/lib/format";
import { incidentState, reach } from "@/lib/incidents";
import { failureWord } from "@/lib/status";
import { DeedDialog } from "./DeedDialog";
import styles from "./Incidents.module.css";
import { Keys } from "./Keys";
import { Timeline } from "./Timeline";

/** One incident: what is wrong, what to look at first, whom it stops, and who has it in hand. */
export function IncidentPage() {
  const { incidentId } = useParams({ from: "/inside/incidents/$incidentId" });
  const query = useQuery(incidentQuery(incidentId));
  return (
    <Page title={query.data?.title ?? "Incident"} heading={!query.data}>
      <CrumbTrail>
        <Link to="/incidents">Incidents</Link>
      </CrumbTrail>
      {query.isPending && (
        <Card>
          <Loading rows={5} label="Loading the incident" />
        </Card>
      )}
      {query.isError && !query.data && (
        <Card>
          <Problem error={query.error} onRetry={() => void query.refetch()} />
        </Card>
      )}
      {query.data && <Shown incident={query.data} />}
    </Page>
  );
}

function Shown({ incident }: { incident: IncidentView }) {
  const mayHandle = useMay("incidents.handle");
  const [deed, setDeed] = useState<Deed | null>(null);
  const over = incident.state === "resolved";
  return (
    <>
      <PageHead title={incident.title} about={incident.message}>
        {mayHandle && !over && (
          <>
            {incident.state === "acknowledged" && (
              <Button look="quiet" onClick={() => setDeed("unacknowledge")}>
                Give back
              </Button>
            )}
            <Button onClick={() => setDeed("resolve")}>Resolve</Button>
            {incident.state === "open" && (
              <Button look="primary" onClick={() => setDeed("acknowledge")}>
                Acknowledge
              </Button>
            )}
          </>
        )}
      </PageHead>
      <Facts incident={incident} />
      <div className={styles.pair}>
        <Card aria-label="Whom it stops" className={styles.keys}>
          <h2>Whom it stops</h2>
          <Keys incident={incident} />
        </Card>
        <div className={styles.side}>
          <Card aria-label="What to look at first" className={styles.inner}>
            <h2>What to look at first</h2>
            <p>{incident.first_aid ?? "Open the evidence of the newest run."}</p>
            <Link to="/runs/$runId" params={{ runId: incident.last_run_id }} search={{ step: incident.last_step_id }} className={buttonClass()}>
              Evidence of the newest run
            </Link>
          </Card>
          <Card aria-label="What happened" className={styles.inner}>
            <h2>What happened</h2>
            <Timeline incident={incident} />
          </Card>
        </div>
      </div>
      {deed && <DeedDialog incident={incident} deed={deed} onClose={() => setDeed(null)} />}
    </>
  );
}

function Facts({ incident }: { incident: IncidentView }) {
  const { tone, word } = incidentState(incident.state);
  const class_ = failureWord(incident.failure_class);
  return (
    <div className={styles.facts}>
      <Box title="State">
        <Sign tone={tone}>{word}</Sign>
        {incident.acknowledged_by && incident.state === "acknowledged" && ` by ${incident.acknowledged_by}`}
        {incident.note && incident.state === "acknowledged" && <p className={styles.note}>“{incident.note}”</p>}
      </Box>
      <Box title="Found">
        <StatusBadge status={incident.status} />
        {class_ && <div>{class_}</div>}
      </Box>
      <Box title="Reach">
        {reach(incident)}
        <div className={styles.quiet}>{plural(incident.runs, "run")}</div>
      </Box>
      <Box title="Since">
        <Ago at={incident.opened_at} />
        <div className={styles.quiet}>
          newest run <Ago at={incident.last_seen_at} />
        </div>
      </Box>
    </div>
  );
}
