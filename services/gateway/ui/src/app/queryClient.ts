import { QueryClient } from "@tanstack/react-query";
import { ApiProblem } from "@/api/client";

const MOST_RETRIES = 2;

/** What the server refused stays refused; only an unreachable or failing server is asked again. */
function worthRetrying(count: number, error: Error): boolean {
  return count < MOST_RETRIES && !(error instanceof ApiProblem && error.status >= 400 && error.status < 500);
}

export const queryClient = new QueryClient({
  defaultOptions: {
    // Events say what changed; coming back to the tab reads again in case they could not.
    queries: { staleTime: 15_000, retry: worthRetrying, refetchOnWindowFocus: true },
  },
});
