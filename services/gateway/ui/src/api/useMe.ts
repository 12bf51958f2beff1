import { useQuery } from "@tanstack/react-query";
import { meQuery } from "./queries";

/** Who is signed in; undefined while that is being found out. */
export function useMe() {
  return useQuery(meQuery).data;
}

/** Whether the signed-in person may do something, by the name of the permission. */
export function useMay(permission: string): boolean {
  return useMe()?.permissions.includes(permission) ?? false;
}
