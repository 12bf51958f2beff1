import { Link } from "@tanstack/react-router";
import { useInfiniteQuery } from "@tanstack/react-query";
import { processesQuery } from "@/api/queries";
import { Button } from "@/components/Button";
import styles from "./Connections.module.css";

const SHOWN = 20;

/** The processes whose steps name a connection; the first of them, and whether there are more. */
export function useUsers(connectionId: string) {
  const query = useInfiniteQuery(processesQuery({ connection_id: connectionId }, SHOWN));
  const users = query.data?.pages.flatMap((page) => page.items) ?? [];
  return { users, known: query.isSuccess, more: query.hasNextPage, reading: query.isFetchingNextPage, readMore: () => void query.fetchNextPage() };
}

export function UsedBy({ users, known, more, reading, readMore }: ReturnType<typeof useUsers>) {
  if (!known) return null;
  if (users.length === 0) return <p>No process uses it.</p>;
  return (
    <>
      <ul className={styles.users} aria-label="Used by">
        {users.map((one) => (
          <li key={one.process_id}>
            <Link to="/processes/$processId" params={{ processId: one.process_id }}>
              {one.name}
            </Link>
          </li>
        ))}
      </ul>
      {more && (
        <Button look="quiet" busy={reading} onClick={readMore}>
          Show more
        </Button>
      )}
    </>
  );
}
