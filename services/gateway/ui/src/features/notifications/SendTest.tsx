import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { deliveriesQuery, testChannel } from "@/api/notifications";
import type { Channel } from "@/api/types";
import { Button } from "@/components/Button";
import { Sign } from "@/components/Sign";
import { answerParts, deliveryState } from "@/lib/notifications";
import styles from "./Notifications.module.css";

/** Sends a test message and tells what became of it. */
export function SendTest({ channel }: { channel: Channel }) {
  const test = useMutation({ mutationFn: () => testChannel(channel.channel_id) });
  return (
    <>
      {test.data && <Outcome channelId={channel.channel_id} deliveryId={test.data.delivery_id} />}
      {test.error && (
        <p className={styles.outcome} role="alert">
          <Sign tone="failed">{test.error.message}</Sign>
        </p>
      )}
      <Button busy={test.isPending} aria-label={`Send test to ${channel.name}`} onClick={() => test.mutate()}>
        Send test
      </Button>
    </>
  );
}

function Outcome({ channelId, deliveryId }: { channelId: string; deliveryId: string }) {
  const query = useInfiniteQuery(deliveriesQuery({ channel_id: channelId }));
  const found = query.data?.pages.flatMap((page) => page.items).find((item) => item.delivery_id === deliveryId);
  const state = found ? deliveryState(found) : deliveryState({ status: "pending", tries: 0 });
  const [code, words] = found ? answerParts(found) : ["", ""];
  const said = found?.status === "delivered" ? words : found?.last_error;
  return (
    <span role="status" className={styles.outcome}>
      <Sign tone={state.tone}>
        test {state.word}
        {code && `, ${code}`}
      </Sign>
      {said && <small className={styles.fault}>{said}</small>}
    </span>
  );
}
