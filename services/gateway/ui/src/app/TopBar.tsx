import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { signOut } from "@/api/commands";
import { incidentCountQuery } from "@/api/incidents";
import { aboutQuery } from "@/api/queries";
import { useLiveState } from "@/api/useLive";
import { useMe } from "@/api/useMe";
import { Icon, Logo } from "@/components/Icon";
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuSeparator } from "@/components/Menu";
import { GlobalSearch } from "@/features/search/GlobalSearch";
import { setTheme, setZone, usePreferences } from "@/lib/preferences";
import styles from "./TopBar.module.css";

const PLACES = [
  { to: "/", name: "Overview", holds: /^\/$/, needs: "runs.read" },
  { to: "/incidents", name: "Incidents", holds: /^\/incidents\b/, needs: "incidents.read" },
  { to: "/processes", name: "Processes", holds: /^\/(runs\b|processes\b(?!\/[^/]+\/stuck-board))/, needs: "processes.read" },
  { to: "/history", name: "History", holds: /^\/history\b/, needs: "runs.read" },
  { to: "/stuck-boards", name: "Stuck boards", holds: /^\/(stuck-boards|processes\/[^/]+\/stuck-board)\b/, needs: "runs.read" },
  { to: "/notifications", name: "Notifications", holds: /^\/notifications\b/, needs: "deliveries.read" },
  { to: "/connections", name: "Connections", holds: /^\/connections\b/, needs: "connections.read" },
  { to: "/administration", name: "Administration", holds: /^\/administration\b/, needs: "workers.read" },
] as const;

/** The places this person may enter. */
function usePlaces() {
  const me = useMe();
  return PLACES.filter(({ needs }) => me?.permissions.includes(needs));
}

export function TopBar({ onHelp }: { onHelp: () => void }) {
  const places = usePlaces();
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <header className={styles.bar}>
      <PlacesMenu />
      <Link to="/" className={styles.logo} aria-label="Steptrail, overview">
        <Logo />
        <span>Steptrail</span>
      </Link>
      <nav className={styles.nav} aria-label="Main">
        {places.map(({ to, name, holds }) => (
          <Link key={to} to={to} className={styles.place} activeOptions={{ exact: true }} aria-current={holds.test(path) ? "page" : undefined}>
            {name}
            {to === "/incidents" && <OpenIncidents />}
          </Link>
        ))}
      </nav>
      <GlobalSearch />
      <LiveSign />
      <PersonMenu onHelp={onHelp} />
    </header>
  );
}

/** How many incidents nobody has in hand; nothing at all when there are none. */
function OpenIncidents() {
  const open = useQuery(incidentCountQuery).data?.open ?? 0;
  if (open === 0) return null;
  return (
    <span className={styles.badge} data-testid="open-incidents">
      {open > 99 ? "99+" : open}
      <span className="visually-hidden"> open</span>
    </span>
  );
}

/** The places as a menu, where there is no room for them side by side. */
function PlacesMenu() {
  const places = usePlaces();
  const navigate = useNavigate();
  return (
    <Menu
      align="start"
      trigger={
        <button type="button" className={styles.burger} aria-label="Menu">
          <Icon name="menu" size={20} />
        </button>
      }
    >
      {places.map(({ to, name }) => (
        <MenuItem key={to} onSelect={() => void navigate({ to })}>
          {name}
          {to === "/incidents" && <OpenIncidents />}
        </MenuItem>
      ))}
    </Menu>
  );
}

function LiveSign() {
  const state = useLiveState();
  const words = { live: "live", connecting: "connecting", lost: "not live" }[state];
  const hint = {
    live: "Changes appear by themselves",
    connecting: "Waiting for the live connection",
    lost: "The live connection is lost and being renewed",
  }[state];
  return (
    <span className={`${styles.live} ${styles[state]}`} title={hint} data-testid="live">
      {words}
    </span>
  );
}

function PersonMenu({ onHelp }: { onHelp: () => void }) {
  const me = useMe();
  const about = useQuery(aboutQuery).data;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { theme, zone } = usePreferences();
  const leave = async () => {
    await signOut().catch(() => undefined);
    queries.clear();
    await navigate({ to: "/sign-in", search: {} });
  };
  return (
    <Menu
      trigger={
        <button type="button" className={styles.person} aria-label={`Account of ${me?.username ?? "you"}`}>
          <Icon name="person" size={18} />
        </button>
      }
    >
      <MenuLabel>
        {me?.username} · {me?.role}
      </MenuLabel>
      <MenuSeparator />
      <MenuChoice
        label="Theme"
        value={theme}
        onChange={setTheme}
        options={[
          ["system", "As the system"],
          ["light", "Light"],
          ["dark", "Dark"],
        ]}
      />
      <MenuSeparator />
      <MenuChoice
        label="Exact times"
        value={zone}
        onChange={setZone}
        options={[
          ["local", "Local time"],
          ["utc", "UTC"],
        ]}
      />
      <MenuSeparator />
      <MenuItem onSelect={() => void navigate({ to: "/administration", search: { tab: "account" } })}>Your tokens and password</MenuItem>
      <MenuItem onSelect={onHelp} hint="?">
        Keyboard shortcuts
      </MenuItem>
      <MenuItem onSelect={() => void leave()}>Sign out</MenuItem>
      {about && (
        <MenuLabel>
          Steptrail {about.version}
          {about.demo ? " · demo" : ""}
        </MenuLabel>
      )}
    </Menu>
  );
}
