import type { Definition, ProcessView } from "@/api/types";
import { CronWords } from "@/components/CronWords";
import { Box } from "@/components/Page";
import { Ago } from "@/components/Time";
import { scheduleText } from "@/lib/definition";
import { readDuration } from "@/lib/format";
import { showValue } from "@/lib/value";
import styles from "./DefinitionPage.module.css";

/** What holds for the whole process. */
export function ProcessFacts({ definition, process }: { definition: Definition; process: ProcessView }) {
  const inputs = Object.entries(definition.inputs ?? {});
  const schedules = definition.schedule ?? [];
  const notify = definition.notify ?? [];
  return (
    <div className={styles.facts}>
      <Box title="Id">
        <code>{definition.process}</code>
      </Box>
      <Box title="State">{definition.active === false ? "not active" : "active"}</Box>
      {definition.owner && <Box title="Owner">{definition.owner}</Box>}
      {definition.category && <Box title="Category">{definition.category}</Box>}
      {(definition.tags ?? []).length > 0 && <Box title="Tags">{definition.tags?.join(", ")}</Box>}
      {inputs.length > 0 && (
        <Box title="Asks for">
          {inputs.map(([id, input]) => (
            <div key={id}>
              <code>{id}</code> {input.label ?? ""} <small>{[input.type, input.required === false && "optional", input.example != null && `e.g. ${showValue(input.example)}`].filter(Boolean).join(", ")}</small>
            </div>
          ))}
        </Box>
      )}
      {definition.timeout && <Box title="Ends after">{readDuration(definition.timeout)}</Box>}
      {schedules.length > 0 && (
        <Box title="Runs by itself">
          {schedules.map((schedule, index) => (
            <div key={index}>
              {scheduleText(schedule)}
              {schedule.cron && (
                <small>
                  {" "}
                  <CronWords cron={schedule.cron} />
                </small>
              )}
            </div>
          ))}
        </Box>
      )}
      {notify.length > 0 && (
        <Box title="Tells">
          {notify.map((rule, index) => (
            <div key={index}>
              {rule.channel} <small>on {rule.on.map((moment) => moment.replaceAll("_", " ")).join(", ")}</small>
            </div>
          ))}
        </Box>
      )}
      <Box title="Last saved">
        revision {process.revision}, <Ago at={process.updated_at} /> by {process.updated_by}
      </Box>
    </div>
  );
}
