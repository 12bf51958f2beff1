import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { createRule } from "@/api/notifications";
import { facetsQuery, processesQuery } from "@/api/queries";
import type { Channel, RuleWrite } from "@/api/types";
import { CheckField } from "@/components/CheckField";
import { SelectField, TextField } from "@/components/Field";
import { FormDialog } from "@/components/FormDialog";
import { type Moment, MOMENTS } from "@/lib/notifications";
import { shortId } from "@/lib/ids";
import styles from "./Notifications.module.css";

const OFFERED_PROCESSES = 200;
const USUAL: Moment[] = ["failed", "stuck", "timeout", "error", "recovered"];

type Props = { channels: readonly Channel[]; onClose: () => void; onSaved: () => void };

export function RuleDialog({ channels, onClose, onSaved }: Props) {
  const [channel, setChannel] = useState(channels[0]?.channel_id ?? "");
  const [on, setOn] = useState<Moment[]>(USUAL);
  const [process, setProcess] = useState("");
  const [category, setCategory] = useState("");
  const [after, setAfter] = useState("1");
  const [remind, setRemind] = useState("");
  const processes = useInfiniteQuery(processesQuery({}, OFFERED_PROCESSES)).data?.pages[0]?.items ?? [];
  const categories = useQuery(facetsQuery).data?.categories ?? [];
  const submit = async () => {
    const body: RuleWrite = {
      rule_id: `${channel.slice(0, 50)}-${shortId()}`,
      channel_id: channel,
      on,
      process_id: process || null,
      category: process ? null : category || null,
      after_failures: Number(after),
      remind_every: remind.trim() || null,
      active: true,
    };
    await createRule(body);
    onSaved();
  };
  return (
    <FormDialog title="New rule" action="Make the rule" fields={["channel_id", "on", "process_id", "category", "after_failures", "remind_every"]} onSubmit={submit} onClose={onClose}>
      {(errors) => (
        <>
          <SelectField label="Tell" value={channel} error={errors.channel_id} onChange={(event) => setChannel(event.target.value)} options={channels.map((one): [string, string] => [one.channel_id, one.name])} />
          <fieldset className={styles.on}>
            <legend>When a run is</legend>
            {MOMENTS.map(([moment, word]) => (
              <CheckField key={moment} label={word} checked={on.includes(moment)} onChange={(checked) => setOn((before) => (checked ? [...before, moment] : before.filter((one) => one !== moment)))} />
            ))}
            {errors.on && (
              <p className={styles.error} role="alert">
                {errors.on}
              </p>
            )}
          </fieldset>
          <div className={styles.pair}>
            <SelectField
              label="Of process"
              value={process}
              error={errors.process_id}
              onChange={(event) => setProcess(event.target.value)}
              options={[["", "Every process"], ...processes.map((row): [string, string] => [row.process_id, row.name])]}
            />
            <SelectField
              label="Of category"
              value={process ? "" : category}
              disabled={process !== ""}
              error={errors.category}
              onChange={(event) => setCategory(event.target.value)}
              options={[["", process ? "as the process" : "Every category"], ...categories.map(({ value }): [string, string] => [value, value])]}
            />
            <TextField label="After failures in a row" inputMode="numeric" value={after} error={errors.after_failures} onChange={(event) => setAfter(event.target.value)} />
            <TextField label="Remind every" placeholder="such as 2h, or not" value={remind} error={errors.remind_every} onChange={(event) => setRemind(event.target.value)} autoComplete="off" />
          </div>
        </>
      )}
    </FormDialog>
  );
}
