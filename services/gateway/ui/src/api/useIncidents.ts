import { useQuery } from "@tanstack/react-query";
import { incidentCountQuery } from "./incidents";

/** How many incidents are not over: open, or in somebody's hand. */
export function useIncidentsNotOver(): number {
  const { open = 0, acknowledged = 0 } = useQuery(incidentCountQuery).data ?? {};
  return open + acknowledged;
}
