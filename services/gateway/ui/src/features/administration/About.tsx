import { useQuery } from "@tanstack/react-query";
import { readinessQuery } from "@/api/administration";
import { aboutQuery } from "@/api/queries";
import { useLiveState } from "@/api/useLive";
import { Box } from "@/components/Page";
import { Sign } from "@/components/Sign";
import { Loading, Problem } from "@/components/States";
import { urls } from "@/lib/urls";
import styles from "./Administration.module.css";

/** What runs here, and whether it can do its job. */
export function About() {
  const about = useQuery(aboutQuery);
  const ready = useQuery(readinessQuery);
  const live = useLiveState();
  if (about.isError) return <Problem error={about.error} onRetry={() => void about.refetch()} />;
  if (!about.data) return <Loading rows={3} label="Loading what runs here" />;
  return (
    <>
      <section className={styles.section} aria-label="Health">
        <h2>Health of this server</h2>
        {ready.isError && <Problem compact error={ready.error} onRetry={() => void ready.refetch()} />}
        <div className={styles.facts}>
          {ready.data && <Box title="Server">{ready.data.status === "ready" ? <Sign tone="ok">ready</Sign> : <Sign tone="failed">not ready</Sign>}</Box>}
          {Object.entries(ready.data?.parts ?? {}).map(([part, verdict]) => (
            <Box key={part} title={capital(part)}>
              {verdict === "ok" ? <Sign tone="ok">works</Sign> : <Sign tone="failed">{verdict}</Sign>}
            </Box>
          ))}
          <Box title="Live updates">{live === "live" ? <Sign tone="ok">arrive</Sign> : <Sign tone="warn">{live === "lost" ? "lost" : "connecting"}</Sign>}</Box>
        </div>
      </section>
      <section className={styles.section} aria-label="About">
        <h2>About</h2>
        <div className={styles.facts}>
          <Box title="Version">Steptrail {about.data.version}</Box>
          <Box title="Topology">{about.data.topology === "embedded" ? "embedded: one process" : "distributed: services of their own"}</Box>
          {about.data.demo && <Box title="Demo">the demo shop runs beside it</Box>}
          <Box title="API">
            <a href={urls.apiDescription} target="_blank" rel="noreferrer">
              OpenAPI description
            </a>
          </Box>
        </div>
      </section>
    </>
  );
}

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
