import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { createRule, saveRule } from "@/api/notifications";
import { facetsQuery } from "@/api/queries";
import type { Channel, NotifyRule } from "@/api/types";
import { CheckField } from "@/components/CheckField";
import { SelectField, TextField } from "@/components/Field";
import { FormDialog } from "@/components/FormDialog";
import { shortId } from "@/lib/ids";
import { type Moment, MOMENTS, type RuleDraft, ruleDraft, ruleFrom } from "@/lib/notifications";
import styles from "./Notifications.module.css";
import { ProcessField } from "./ProcessField";

/** What the dialog has a field for; anything else that is refused is said above the buttons. */
const FIELDS = ["channel_id", "on", "process_id", "category", "after_failures", "remind_every"];

type Props = { rule?: NotifyRule; channels: readonly Channel[]; onClose: () => void; onSaved: () => void };

/** A rule that is made, or one that is there and is changed; its id stays, so that nothing is told twice. */
export function RuleDialog({ rule, channels, onClose, onSaved }: Props) {
  const [draft, setDraft] = useState(() => ruleDraft(rule, channels[0]?.channel_id ?? ""));
  const set = (change: Partial<RuleDraft>) => setDraft((before) => ({ ...before, ...change }));
  const toggle = (moment: Moment, checked: boolean) => setDraft((before) => ({ ...before, on: checked ? [...before.on, moment] : before.on.filter((one) => one !== moment) }));
  const categories = useQuery(facetsQuery).data?.categories.map(({ value }) => value) ?? [];
  const submit = async () => {
    if (rule) await saveRule(ruleFrom(draft, rule.rule_id));
    else await createRule(ruleFrom(draft, `${draft.channel.slice(0, 50)}-${shortId()}`));
    onSaved();
  };
  return (
    <FormDialog title={rule ? "Change this rule" : "New rule"} subtitle={rule && <code>{rule.rule_id}</code>} action={rule ? "Save" : "Make the rule"} fields={FIELDS} onSubmit={submit} onClose={onClose}>
      {(errors) => (
        <>
          <SelectField label="Tell" value={draft.channel} error={errors.channel_id} onChange={(event) => set({ channel: event.target.value })} options={withOwn(channels.map((one) => [one.channel_id, one.name]), rule?.channel_id)} />
          <fieldset className={styles.on}>
            <legend>When</legend>
            {MOMENTS.map(([moment, word]) => (
              <CheckField key={moment} label={word} checked={draft.on.includes(moment)} onChange={(checked) => toggle(moment, checked)} />
            ))}
            {errors.on && (
              <p className={styles.error} role="alert">
                {errors.on}
              </p>
            )}
          </fieldset>
          <div className={styles.pair}>
            <ProcessField value={draft.process} error={errors.process_id} onChange={(process) => set({ process })} />
            <SelectField
              label="Of category"
              value={draft.process ? "" : draft.category}
              disabled={draft.process !== ""}
              error={errors.category}
              onChange={(event) => set({ category: event.target.value })}
              options={[["", draft.process ? "as the process" : "Every category"], ...withOwn(categories.map((one) => [one, one]), rule?.category)]}
            />
            <TextField label="After failures in a row" inputMode="numeric" value={draft.after} error={errors.after_failures} onChange={(event) => set({ after: event.target.value })} />
            <TextField label="Remind every" placeholder="such as 2h, or not" value={draft.remind} error={errors.remind_every} onChange={(event) => set({ remind: event.target.value })} autoComplete="off" />
          </div>
          <CheckField label="On" hint="A rule that is off tells nobody." checked={draft.active} onChange={(active) => set({ active })} />
        </>
      )}
    </FormDialog>
  );
}

/** What the rule names stays a choice, also when it is not among those that are offered. */
function withOwn(options: [string, string][], own: string | null | undefined): [string, string][] {
  return !own || options.some(([value]) => value === own) ? options : [...options, [own, own]];
}
