import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { revisionsQuery } from "@/api/queries";
import { Listing } from "@/components/Listing";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import styles from "./DefinitionPage.module.css";

/** Every save, newest first. */
export function Revisions({ processId, current, shown }: { processId: string; current: number; shown: number }) {
  const query = useInfiniteQuery(revisionsQuery(processId));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Listing read={query} count={items.length} label="revisions" rows={3} empty={<Empty title="No revision is kept" />}>
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
    </Listing>
  );
}
