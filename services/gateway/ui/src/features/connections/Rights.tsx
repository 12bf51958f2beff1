import type { ConnectionRights } from "@/api/types";
import { Button } from "@/components/Button";
import { Sign } from "@/components/Sign";
import { Ago } from "@/components/Time";
import { isDatabase, RIGHTS } from "@/lib/connection";

/** What the account behind a connection may do. Green reads, amber writes, red may do everything, or its last test failed. */
export function RightsSign({ rights }: { rights: ConnectionRights }) {
  const { tone, word } = RIGHTS[rights.level];
  if (rights.failure != null) {
    return (
      <Sign tone="failed" title={rights.failure}>
        test failed{rights.failed_at && <> <Ago at={rights.failed_at} /></>}
      </Sign>
    );
  }
  return (
    <Sign tone={tone} icon={rights.level === "unknown" ? "question" : "shield"} title={rights.detail}>
      {rights.level === "unknown" && !rights.checked_at ? "not tested" : word}
    </Sign>
  );
}

type Accepting = { busy: boolean; onAccept: () => void };

/** The same with its reason and age; an account that can write asks to be accepted, and of a database is not asked before. */
export function RightsWords({ rights, kind, accepting }: { rights: ConnectionRights; kind: string; accepting?: Accepting }) {
  return (
    <>
      <RightsSign rights={rights} />
      <p hidden={rights.failure != null && !rights.checked_at}>
        {rights.failure != null && `Before: ${RIGHTS[rights.level].word} · `}
        {rights.detail}
        {rights.checked_at && (
          <>
            {" "}
            · looked at <Ago at={rights.checked_at} />
          </>
        )}
      </p>
      {rights.level === "can_write" && !rights.accepted_at && (
        <>
          <p>
            {isDatabase(kind) ? "Checks through it are refused until somebody accepts that it can write. " : "Checks need to read only. "}
            Better give this connection an account that cannot write; if there is none, accept it.
          </p>
          {accepting && (
            <Button busy={accepting.busy} onClick={accepting.onAccept}>
              Accept that it can write
            </Button>
          )}
        </>
      )}
      {rights.level === "superuser" && <p>Checks through it are refused. Give this connection an account that can only read.</p>}
      {rights.accepted_at && (
        <p>
          Accepted by {rights.accepted_by} <Ago at={rights.accepted_at} />
        </p>
      )}
    </>
  );
}
