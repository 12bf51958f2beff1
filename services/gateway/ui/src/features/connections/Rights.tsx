import type { ConnectionRights } from "@/api/types";
import { Sign } from "@/components/Sign";
import { Ago } from "@/components/Time";
import { RIGHTS } from "@/lib/connection";

/** What the account behind a connection may do. Green reads, amber writes, red may do everything. */
export function RightsSign({ rights }: { rights: ConnectionRights }) {
  const { tone, word } = RIGHTS[rights.level];
  return (
    <Sign tone={tone} icon={rights.level === "unknown" ? "question" : "shield"} title={rights.detail}>
      {rights.level === "unknown" && !rights.checked_at ? "not tested" : word}
    </Sign>
  );
}

/** The same with its reason and age. */
export function RightsWords({ rights }: { rights: ConnectionRights }) {
  return (
    <>
      <RightsSign rights={rights} />
      <p>
        {rights.detail}
        {rights.checked_at && (
          <>
            {" "}
            · looked at <Ago at={rights.checked_at} />
          </>
        )}
      </p>
    </>
  );
}
