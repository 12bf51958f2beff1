import { useQuery } from "@tanstack/react-query";
import { processQuery } from "@/api/queries";

/** The name of a process of which only the id is known; the id until it is there, and of one that is deleted. */
export function ProcessName({ processId }: { processId: string }) {
  return <>{useQuery(processQuery(processId)).data?.name ?? processId}</>;
}
