import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, parseSearchWith, redirect, stringifySearchWith } from "@tanstack/react-router";
import { ApiProblem } from "@/api/client";
import { meQuery } from "@/api/queries";
import { OverviewPage } from "@/features/overview/OverviewPage";
import { ProcessesPage } from "@/features/processes/ProcessesPage";
import { ProcessRoute, RunRoute } from "@/features/run/routes";
import { SignInPage } from "@/features/session/SignInPage";
import { administrationSearch, boardSearch, connectionSearch, definitionSearch, historySearch, incidentsSearch, newProcessSearch, notificationsSearch, overviewSearch, processesSearch, processSearch, runSearch, signInSearch, trendsSearch } from "@/lib/search";
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
const newProcess = createRoute({
  getParentRoute: () => inside,
  path: "/processes/new",
  validateSearch: newProcessSearch,
  component: lazyRouteComponent(() => import("@/features/editor/routes"), "NewRoute"),
});
const edit = createRoute({
  getParentRoute: () => inside,
  path: "/processes/$processId/edit",
  component: lazyRouteComponent(() => import("@/features/editor/routes"), "EditRoute"),
});
const run = createRoute({ getParentRoute: () => inside, path: "/runs/$runId", validateSearch: runSearch, component: RunRoute });
const history = createRoute({
  getParentRoute: () => inside,
  path: "/history",
  validateSearch: historySearch,
  component: lazyRouteComponent(() => import("@/features/history/HistoryPage"), "HistoryPage"),
});

const connections = createRoute({
  getParentRoute: () => inside,
  path: "/connections",
  component: lazyRouteComponent(() => import("@/features/connections/ConnectionsPage"), "ConnectionsPage"),
});
const newConnection = createRoute({
  getParentRoute: () => inside,
  path: "/connections/new",
  validateSearch: connectionSearch,
  component: lazyRouteComponent(() => import("@/features/connections/NewConnectionPage"), "NewConnectionPage"),
});
const connection = createRoute({
  getParentRoute: () => inside,
  path: "/connections/$connectionId",
  component: lazyRouteComponent(() => import("@/features/connections/ConnectionPage"), "ConnectionPage"),
});
const incidents = createRoute({
  getParentRoute: () => inside,
  path: "/incidents",
  validateSearch: incidentsSearch,
  component: lazyRouteComponent(() => import("@/features/incidents/IncidentsPage"), "IncidentsPage"),
});
const incident = createRoute({
  getParentRoute: () => inside,
  path: "/incidents/$incidentId",
  component: lazyRouteComponent(() => import("@/features/incidents/IncidentPage"), "IncidentPage"),
});
const notifications = createRoute({
  getParentRoute: () => inside,
  path: "/notifications",
  validateSearch: notificationsSearch,
  component: lazyRouteComponent(() => import("@/features/notifications/NotificationsPage"), "NotificationsPage"),
});
const administration = createRoute({
  getParentRoute: () => inside,
  path: "/administration",
  validateSearch: administrationSearch,
  component: lazyRouteComponent(() => import("@/features/administration/AdministrationPage"), "AdministrationPage"),
});
const board = createRoute({
  getParentRoute: () => inside,
  path: "/processes/$processId/stuck-board",
  validateSearch: boardSearch,
  component: lazyRouteComponent(() => import("@/features/board/BoardPage"), "BoardPage"),
});
const boards = createRoute({
  getParentRoute: () => inside,
  path: "/stuck-boards",
  component: lazyRouteComponent(() => import("@/features/board/BoardsPage"), "BoardsPage"),
});
const trends = createRoute({
  getParentRoute: () => inside,
  path: "/history/trends",
  validateSearch: trendsSearch,
  component: lazyRouteComponent(() => import("@/features/trends/TrendsPage"), "TrendsPage"),
});

const routeTree = root.addChildren([signIn, inside.addChildren([overview, processes, process, definition, newProcess, edit, run, history, connections, newConnection, connection, incidents, incident, notifications, administration, board, boards, trends])]);

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
