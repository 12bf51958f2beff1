import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { validate } from "@/api/editing";
import type { Draft } from "@/lib/draft";
import { type Issue, issuesOf } from "@/lib/issues";

/** Typing pauses this long before the server is asked. */
const TYPING_MS = 350;
const KEPT_MS = 30_000;

export type Issues = { issues: Issue[]; /** Whether the answer is about the text as it stands. */ settled: boolean; failure: Error | null };

/** What is wrong with the draft: its syntax at once, everything else as soon as the server has answered. */
export function useIssues(draft: Draft): Issues {
  const text = useQuiet(draft.text);
  const readable = draft.faults.length === 0;
  const report = useQuery({
    queryKey: ["validate", text],
    queryFn: ({ signal }) => validate(text, signal),
    enabled: readable && text.trim() !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: KEPT_MS,
  });
  const issues = useMemo(() => issuesOf(draft, report.data?.errors ?? [], report.data?.warnings ?? []), [draft, report.data]);
  return { issues, settled: !readable || (text === draft.text && !report.isPlaceholderData && !report.isFetching), failure: report.error };
}

function useQuiet(text: string): string {
  const [quiet, setQuiet] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setQuiet(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return quiet;
}
