import { createContext, useContext } from "react";
import { Button } from "@/components/Button";
import { assertionFor, assertionWords, captureFor, captureName, type Pick } from "@/lib/pick";
import { inUnit, showValue } from "@/lib/value";
import styles from "./TryPanel.module.css";

type Picking = { chosen: string | null; choose: (id: string | null) => void; assert: (pick: Pick) => void; capture: (pick: Pick) => void; /** Sources that captures of this kind can have; null for any. */ sources: readonly string[] | null };

export const PickContext = createContext<Picking | null>(null);

/** A value of the answer that can be clicked; what can be made of it opens right behind it. */
export function Value({ id, pick, prefix = "", words: given }: { id: string; pick: Pick; prefix?: string; words?: string }) {
  const picking = useContext(PickContext);
  if (!picking) return null;
  const open = picking.chosen === id;
  const words = given ?? (typeof pick.value === "string" ? (pick.value === "" ? "“”" : pick.value) : showValue(pick.kind === "fact" ? inUnit(pick.subject, pick.value) : pick.value));
  const shown = words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words;
  return (
    <>
      <button type="button" className={styles.value} aria-expanded={open} onClick={() => picking.choose(open ? null : id)}>
        {prefix}
        {shown}
      </button>
      {open && <Actions pick={pick} picking={picking} />}
    </>
  );
}

const LONGEST = 300;

function Actions({ pick, picking }: { pick: Pick; picking: Picking }) {
  const capture = captureFor(pick);
  const fits = capture !== null && (picking.sources === null || picking.sources.length === 0 || Object.keys(capture).some((source) => picking.sources!.includes(source)));
  return (
    <span className={styles.actions}>
      <code>{assertionWords(assertionFor(pick))}</code>
      <Button look="primary" onClick={() => picking.assert(pick)}>
        Assert this
      </Button>
      {fits && <Button onClick={() => picking.capture(pick)}>Capture as {captureName(pick)}</Button>}
    </span>
  );
}
