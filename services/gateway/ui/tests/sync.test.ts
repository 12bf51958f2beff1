import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { syncWith } from "@/api/sync";

describe("lists that the history serves", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each(["overview", "processes", "runs", "grid"])("%s is read again soon after the stream began, for a run that ended just before it", (resource) => {
    const queries = new QueryClient();
    const invalidated = vi.spyOn(queries, "invalidateQueries");
    syncWith(queries)({ kind: "opened" });
    invalidated.mockClear();
    vi.advanceTimersByTime(2000);
    expect(invalidated).toHaveBeenCalledWith({ queryKey: [resource] });
  });
});

describe("what happens to an incident", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each([["incidents"], ["incident", "a1"], ["overview"], ["processes"]])("reads again what shows it: %s %s", (...key) => {
    const queries = new QueryClient();
    const invalidated = vi.spyOn(queries, "invalidateQueries");
    syncWith(queries)({ kind: "incident", event: { type: "incident.opened", incident_id: "a1" } });
    vi.advanceTimersByTime(2000);
    expect(invalidated).toHaveBeenCalledWith({ queryKey: key.filter(Boolean) });
  });
});
