import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { revisionsQuery } from "@/api/queries";
import { Button } from "@/components/Button";
import { Loading, Problem } from "@/components/States";
import { Ago } from "@/components/Time";
import styles from "./DefinitionPage.module.css";

/** Every save, newest first. */
export function Revisions({ processId, current, shown }: { processId: string; current: number; shown: number }) {
  const query = useInfiniteQuery(revisionsQuery(processId));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {query.isPending && <Loading rows={3} label="Loading revisions" />}
      {query.isError && <Problem compact error={query.error} onRetry={() => void query.refetch()} />}
      <ol className={styles.revisions}>
        {items.map((item) => (
          <li key={item.revision} aria-current={item.revision === shown || undefined}>
            <Link to="/processes/$processId/definition" params={{ processId }} search={item.revision === current ? {} : { rev: item.revision }}>
              Revision {item.revision}
            </Link>
            <span>
              <Ago at={item.saved_at} /> by {item.saved_by}
            </span>
            <span className={styles.note}>
              {[item.restored_from ? `restored from ${item.restored_from}` : null, item.note].filter(Boolean).join(" · ")}
            </span>
            {item.revision === current && <i>current</i>}
          </li>
        ))}
      </ol>
      {query.hasNextPage && (
        <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
