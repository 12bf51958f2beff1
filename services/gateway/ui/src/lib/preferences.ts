/** Choices of the person at this browser: theme and time zone. */
import { useSyncExternalStore } from "react";
import type { Zone } from "./format";
import { recall, remember } from "./memory";

export type Theme = "system" | "light" | "dark";

type Preferences = { theme: Theme; zone: Zone };

function storedTheme(): Theme {
  // Stored as bare text, because the script that runs before the first paint reads it too.
  try {
    const text = localStorage.getItem("steptrail.theme");
    return text === "light" || text === "dark" ? text : "system";
  } catch {
    return "system";
  }
}

let preferences: Preferences = { theme: storedTheme(), zone: recall<Zone>("zone", "local") };
const listeners = new Set<() => void>();
const darkSystem = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;

function paint(): void {
  const dark = preferences.theme === "dark" || (preferences.theme === "system" && (darkSystem?.matches ?? false));
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

darkSystem?.addEventListener("change", paint);

function change(next: Partial<Preferences>): void {
  preferences = { ...preferences, ...next };
  listeners.forEach((notify) => notify());
}

export function setTheme(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem("steptrail.theme");
    else localStorage.setItem("steptrail.theme", theme);
  } catch {
    // The choice holds until the page is closed.
  }
  change({ theme });
  paint();
}

export function setZone(zone: Zone): void {
  remember("zone", zone);
  change({ zone });
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => preferences,
  );
}
