import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, parseSearchWith, redirect, stringifySearchWith } from "@tanstack/react-router";
import { ApiProblem } from "@/api/client";
import { meQuery } from "@/api/queries";
import { OverviewPage } from "@/features/overview/OverviewPage";
import { ProcessesPage } from "@/features/processes/ProcessesPage";
import { ProcessRoute, RunRoute } from "@/features/run/routes";
import { SignInPage } from "@/features/session/SignInPage";
import { definitionSearch, historySearch, overviewSearch, processesSearch, processSearch, runSearch, signInSearch } from "@/lib/search";
import { FaultPage, NotFoundPage } from "./faults";
import { queryClient } from "./queryClient";
import { Shell } from "./Shell";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFoundPage, errorComponent: FaultPage });

const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", validateSearch: signInSearch, component: SignInPage });

/** Everything behind the sign-in. */
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Shell,
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) {
        const next = location.href === "/" ? undefined : location.href;
        throw redirect({ to: "/sign-in", search: next ? { next } : {} });
      }
      throw error;
    }
  },
});

const overview = createRoute({ getParentRoute: () => inside, path: "/", validateSearch: overviewSearch, component: OverviewPage });
const processes = createRoute({ getParentRoute: () => inside, path: "/processes", validateSearch: processesSearch, component: ProcessesPage });
const process = createRoute({ getParentRoute: () => inside, path: "/processes/$processId", validateSearch: processSearch, component: ProcessRoute });
const definition = createRoute({
  getParentRoute: () => inside,
  path: "/processes/$processId/definition",
  validateSearch: definitionSearch,
  component: lazyRouteComponent(() => import("@/features/definition/DefinitionPage"), "DefinitionPage"),
});
const run = createRoute({ getParentRoute: () => inside, path: "/runs/$runId", validateSearch: runSearch, component: RunRoute });
const history = createRoute({
  getParentRoute: () => inside,
  path: "/history",
  validateSearch: historySearch,
  component: lazyRouteComponent(() => import("@/features/history/HistoryPage"), "HistoryPage"),
});

const routeTree = root.addChildren([signIn, inside.addChildren([overview, processes, process, definition, run, history])]);

export const router = createRouter({
  routeTree,
  // What stands behind `?` is text: a key such as 0047 or 1e5 must stay what it is.
  parseSearch: parseSearchWith((value) => value),
  stringifySearch: stringifySearchWith(String),
  defaultErrorComponent: FaultPage, scrollRestoration: true });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
