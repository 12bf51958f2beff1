import { Icon, type IconName } from "./Icon";

const SIGN: Record<string, { icon: IconName; words: string }> = {
  manual: { icon: "hand", words: "started by hand" },
  api: { icon: "plug", words: "started by API" },
  cli: { icon: "terminal", words: "started on the command line" },
  schedule: { icon: "calendar", words: "started by schedule" },
  recheck: { icon: "retry", words: "continued from a failed step" },
};

/** How a run was started, as words. */
export function triggerWords(trigger: string): string {
  return SIGN[trigger]?.words ?? `started by ${trigger}`;
}

/** The sign alone, where the words are said elsewhere. */
export function TriggerIcon({ trigger, size }: { trigger: string; size: number }) {
  return <Icon name={SIGN[trigger]?.icon ?? "play"} size={size} />;
}

/** How a run was started, as a sign with its words for readers and on hover. */
export function Trigger({ trigger, size = 14 }: { trigger: string; size?: number }) {
  return (
    <span title={triggerWords(trigger)}>
      <Icon name={SIGN[trigger]?.icon ?? "play"} size={size} />
      <span className="visually-hidden">{triggerWords(trigger)}</span>
    </span>
  );
}
