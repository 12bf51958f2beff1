import { useEffect, useId, useState } from "react";
import type { RunEvent } from "@/api/types";
import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { eventWords } from "@/lib/eventWords";
import { formatDuration } from "@/lib/format";
import styles from "./Timeline.module.css";

/** Time between two events while playing. */
const BEAT_MS = 450;

type Props = { events: readonly RunEvent[]; at: number | null; onAt: (at: number | null) => void; begin: number };

/** A slider through the history: the page above shows the run as it stood after that event. */
export function Replay({ events, at, onAt, begin }: Props) {
  const id = useId();
  const [playing, setPlaying] = useState(false);
  const end = events.length;
  const here = at ?? end;
  const event = events[here - 1];
  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => {
      if (here >= end) setPlaying(false);
      onAt(here + 1 >= end ? null : here + 1);
    }, BEAT_MS);
    return () => clearTimeout(timer);
  }, [playing, here, end, onAt]);
  const play = () => {
    if (!playing && here >= end) onAt(1);
    setPlaying(!playing);
  };
  const words = event ? `${event.type.replace(".", " ")} ${eventWords(event)}` : "";
  return (
    <div className={styles.replay}>
      <Button onClick={play} aria-pressed={playing}>
        <Icon name={playing ? "stop" : "play"} size={14} /> {playing ? "Stop" : "Play"}
      </Button>
      <label htmlFor={id} className="visually-hidden">
        Event of the run
      </label>
      <input
        id={id}
        type="range"
        min={1}
        max={end}
        value={here}
        aria-valuetext={`Event ${here} of ${end}: ${words}`}
        onChange={(change) => {
          const chosen = Number(change.target.value);
          setPlaying(false);
          onAt(chosen >= end ? null : chosen);
        }}
      />
      <span className={styles.where}>
        {here} of {end}
        {event && ` · ${formatDuration(Math.max(0, Date.parse(event.at) - begin) / 1000)}`}
      </span>
      <p className={styles.said}>
        <code>{event?.type}</code> {event && eventWords(event)}
      </p>
    </div>
  );
}
