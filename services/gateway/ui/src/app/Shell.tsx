import { useQueryClient } from "@tanstack/react-query";
import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { onSessionEnd } from "@/api/client";
import { liveStream } from "@/api/live";
import { syncWith } from "@/api/sync";
import { useLiveState } from "@/api/useLive";
import { Banner } from "@/components/States";
import { useShortcut } from "@/lib/shortcuts";
import { HelpDialog } from "./HelpDialog";
import { TopBar } from "./TopBar";

export function Shell() {
  const [help, setHelp] = useState(false);
  const wall = useRouterState({ select: (state) => (state.location.search as { wall?: unknown }).wall === 1 });
  useLiveUpdates();
  useSessionEnd();
  useShortcut("?", () => setHelp(true));
  return (
    <>
      {!wall && (
        <>
          <a href="#main" className="skip-link">
            Skip to content
          </a>
          <TopBar onHelp={() => setHelp(true)} />
          <LostBanner />
        </>
      )}
      <Outlet />
      {help && <HelpDialog onClose={() => setHelp(false)} />}
    </>
  );
}

function useLiveUpdates(): void {
  const queries = useQueryClient();
  useEffect(() => {
    const silence = liveStream.onMessage(syncWith(queries));
    const stop = liveStream.start();
    return () => {
      silence();
      stop();
    };
  }, [queries]);
}

/** When the server ends the session, the sign-in page opens and leads back here. */
function useSessionEnd(): void {
  const queries = useQueryClient();
  const navigate = useNavigate();
  useEffect(
    () =>
      onSessionEnd(() => {
        if (location.pathname === "/sign-in") return;
        const next = location.pathname + location.search;
        queries.clear();
        void navigate({ to: "/sign-in", search: { next, ended: 1 } });
      }),
    [queries, navigate],
  );
}

/** A short break mends itself unseen; a longer one is said. */
const PATIENCE_MS = 1500;

function LostBanner() {
  return useLiveState() === "lost" ? <LostWords /> : null;
}

function LostWords() {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!shown) return null;
  return <Banner icon="plug">The live connection is lost. What you see may be old; it is renewed by itself as soon as the server answers.</Banner>;
}
