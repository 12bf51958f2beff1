import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { channelsQuery, deliveriesQuery, retryDelivery } from "@/api/notifications";
import type { Delivery } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { SelectField } from "@/components/Field";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Empty } from "@/components/States";
import { Ago } from "@/components/Time";
import { plural } from "@/lib/format";
import { answerParts, deliveryState, momentWord } from "@/lib/notifications";
import type { NotificationsSearch } from "@/lib/search";
import styles from "./Notifications.module.css";
import { ProcessName } from "./ProcessName";

const STATES: [string, string][] = [
  ["", "Any state"],
  ["delivered", "delivered"],
  ["pending", "on its way"],
  ["undelivered", "not delivered"],
];

/** What was sent, is being sent, or could not be sent. */
export function DeliveryLog({ search, onChange }: { search: NotificationsSearch; onChange: (next: NotificationsSearch) => void }) {
  const mayRetry = useMay("deliveries.retry");
  const maySeeChannels = useMay("channels.read");
  const query = useInfiniteQuery(deliveriesQuery({ status: search.status, channel_id: search.channel }));
  const channels = useInfiniteQuery({ ...channelsQuery, enabled: maySeeChannels }).data?.pages.flatMap((page) => page.items) ?? [];
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = search.status !== undefined || search.channel !== undefined;
  const set = (name: "status" | "channel") => (event: { target: { value: string } }) => onChange({ ...search, tab: "log", [name]: event.target.value || undefined });
  const columns: Column<Delivery>[] = [
    { title: "Told", cell: (item) => <Told item={item} /> },
    { title: "Channel", cell: ({ channel_id }) => channels.find((one) => one.channel_id === channel_id)?.name ?? channel_id },
    { title: "What became of it", look: "fill", cell: (item) => <Became item={item} /> },
    { title: "When", look: "end", cell: (item) => <Named name={<Ago at={item.created_at} />} about={plural(item.tries, "try", "tries")} /> },
  ];
  if (mayRetry) columns.push({ title: "What to do", look: "act", cell: (item) => item.status === "undelivered" && <Again item={item} /> });
  return (
    <>
      <Toolbar>
        <SelectField label="State" hideLabel value={search.status ?? ""} onChange={set("status")} options={STATES} />
        {maySeeChannels && <SelectField label="Channel" hideLabel value={search.channel ?? ""} onChange={set("channel")} options={[["", "Any channel"], ...channels.map((one): [string, string] => [one.channel_id, one.name])]} />}
        {filtered && (
          <Button look="quiet" onClick={() => onChange({ tab: "log" })}>
            Clear
          </Button>
        )}
      </Toolbar>
      <Listing
        read={query}
        count={rows.length}
        label="deliveries"
        empty={
          <Empty icon={filtered ? "filter" : "bell"} title={filtered ? "No message matches" : "Nothing was sent yet"}>
            {filtered ? "Try another state or channel." : "Every message stands here with what became of it, also those that could not be delivered."}
          </Empty>
        }
      >
        <RowTable label="Delivery log" columns={columns} rows={rows} keyOf={(row) => row.delivery_id} />
      </Listing>
    </>
  );
}

function Told({ item }: { item: Delivery }) {
  const word = item.moment === "test" ? "Test message" : momentWord(item.moment);
  const name = item.run_id ? (
    <Link to="/runs/$runId" params={{ runId: item.run_id }}>
      {word}
    </Link>
  ) : (
    word
  );
  return <Named name={name} about={item.process_id && <ProcessName processId={item.process_id} />} />;
}

function Became({ item }: { item: Delivery }) {
  const { tone, word } = deliveryState(item);
  const [code, words] = answerParts(item);
  const said = item.status === "delivered" ? words : item.last_error;
  return (
    <>
      <Sign tone={tone}>
        {word}
        {code && `, ${code}`}
      </Sign>
      {said && <small className={styles.fault}>{said}</small>}
      {item.next_try_at && item.status === "pending" && item.tries > 0 && (
        <small className={styles.fault}>
          next try <Ago at={item.next_try_at} />
        </small>
      )}
    </>
  );
}

function Again({ item }: { item: Delivery }) {
  const queries = useQueryClient();
  const retry = useMutation({ mutationFn: () => retryDelivery(item.delivery_id), onSettled: () => queries.invalidateQueries({ queryKey: ["deliveries"] }) });
  return (
    <>
      {retry.error && <small role="alert">{retry.error.message}</small>}
      <Button busy={retry.isPending} onClick={() => retry.mutate()}>
        Send again
      </Button>
    </>
  );
}
