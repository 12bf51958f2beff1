import type { ReactNode } from "react";
import { Button } from "./Button";
import styles from "./Listing.module.css";
import { Loading, Problem } from "./States";

/** What a list needs to know of the read behind it. */
export type Read = {
  isPending: boolean;
  isError: boolean;
  error: Error | null;
  refetch: () => unknown;
  hasNextPage?: boolean;
  isFetchingNextPage?: boolean;
  fetchNextPage?: () => unknown;
};

type Props = { read: Read; count: number; label: string; empty: ReactNode; rows?: number; children: ReactNode };

/** A list while it loads, when it failed, when there is nothing, and when there is more. */
export function Listing({ read, count, label, empty, rows = 5, children }: Props) {
  if (read.isPending) return <Loading rows={rows} label={`Loading ${label}`} />;
  if (read.isError && count === 0) return <Problem error={read.error!} onRetry={() => void read.refetch()} />;
  if (count === 0) return empty;
  return (
    <>
      {read.isError && <Problem compact error={read.error!} onRetry={() => void read.refetch()} />}
      {children}
      {read.hasNextPage && (
        <div className={styles.more}>
          <Button busy={read.isFetchingNextPage} onClick={() => void read.fetchNextPage?.()}>
            {read.isFetchingNextPage ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </>
  );
}
