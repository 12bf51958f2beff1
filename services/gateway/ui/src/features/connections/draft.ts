import type { Connection } from "@/api/types";
import type { SecretChange } from "@/components/SecretField";

/** A connection as it is being written. `id` is null while it follows the name. */
export type Draft = { name: string; id: string | null; description: string; settings: Record<string, unknown>; secrets: Record<string, SecretChange> };

export function draftOf(connection: Connection | undefined): Draft {
  const settings = Object.entries((connection?.settings ?? {}) as Record<string, unknown>).filter(([name, value]) => name !== "kind" && value !== null);
  return {
    name: connection?.name ?? "",
    id: connection?.connection_id ?? null,
    description: connection?.description ?? "",
    settings: Object.fromEntries(settings),
    secrets: {},
  };
}
