import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { channelsQuery, deleteChannel } from "@/api/notifications";
import type { Channel } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Empty } from "@/components/States";
import { channelTarget } from "@/lib/notifications";
import { ChannelDialog } from "./ChannelDialog";
import styles from "./Notifications.module.css";
import { SendTest } from "./SendTest";
import { SigningKey } from "./SigningKey";

type Open = { what: "new" } | { what: "edit" | "delete"; channel: Channel } | { what: "key"; name: string; key: string } | null;

/** Where notifications go. */
export function Channels() {
  const mayWrite = useMay("channels.write");
  const queries = useQueryClient();
  const [open, setOpen] = useState<Open>(null);
  const query = useInfiniteQuery(channelsQuery);
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const close = () => setOpen(null);
  const refresh = () => queries.invalidateQueries({ queryKey: ["channels"] });
  const columns: Column<Channel>[] = [
    { title: "Channel", cell: ({ channel_id, name }) => <Named name={<b>{name}</b>} about={channel_id} /> },
    { title: "Goes to", look: "fill", cell: (channel) => <Target channel={channel} /> },
    { title: "Messages", cell: (channel) => <Protection channel={channel} /> },
    { title: "State", cell: ({ active }) => (active ? <Sign tone="ok">on</Sign> : <Sign tone="skipped">off</Sign>) },
  ];
  if (mayWrite) {
    columns.push({
      title: "What to do",
      look: "act",
      cell: (channel) => (
        <>
          <SendTest channel={channel} />
          <Button look="quiet" aria-label={`Edit ${channel.name}`} onClick={() => setOpen({ what: "edit", channel })}>
            Edit
          </Button>
          <Button look="quiet" aria-label={`Delete ${channel.name}`} onClick={() => setOpen({ what: "delete", channel })}>
            Delete
          </Button>
        </>
      ),
    });
  }
  return (
    <>
      {mayWrite && (
        <Toolbar>
          <p>A channel takes messages: a webhook for systems, e-mail for people. Rules, and the definitions of processes, name it.</p>
          <Button onClick={() => setOpen({ what: "new" })}>
            <Icon name="plus" /> New channel
          </Button>
        </Toolbar>
      )}
      <Listing
        read={query}
        count={rows.length}
        label="channels"
        empty={
          <Empty icon="bell" title="Nobody is told yet">
            Make a channel, send a test to it, then say in a rule what it is told.
          </Empty>
        }
      >
        <RowTable label="Channels" columns={columns} rows={rows} keyOf={(row) => row.channel_id} />
      </Listing>
      {(open?.what === "new" || open?.what === "edit") && (
        <ChannelDialog
          channel={open.what === "edit" ? open.channel : undefined}
          onClose={close}
          onSaved={(name, key) => {
            setOpen(key ? { what: "key", name, key } : null);
            void refresh();
          }}
        />
      )}
      {open?.what === "key" && <SigningKey name={open.name} signingKey={open.key} onClose={close} />}
      {open?.what === "delete" && (
        <ConfirmDialog
          title={`Delete ${open.channel.name}?`}
          action="Delete the channel"
          onClose={close}
          onConfirm={async () => {
            await deleteChannel(open.channel.channel_id);
            await refresh();
            await queries.invalidateQueries({ queryKey: ["rules"] });
          }}
        >
          <div className={styles.note}>
            <p>
              Nothing is sent to <code>{channelTarget(open.channel)}</code> any more.
              {open.channel.secret_set && ` Its ${open.channel.email ? "password" : "signing key"} is deleted with it.`}
            </p>
          </div>
        </ConfirmDialog>
      )}
    </>
  );
}

function Target({ channel }: { channel: Channel }) {
  const { email } = channel;
  return (
    <div className={styles.target}>
      <Icon name={email ? "mail" : "link"} />
      <Named name={<code>{channelTarget(channel)}</code>} about={email ? `e-mail through ${email.host}:${email.port}` : "webhook"} />
    </div>
  );
}

/** What keeps messages from being forged or read on their way. */
function Protection({ channel }: { channel: Channel }) {
  if (!channel.email) return channel.secret_set ? <Sign tone="ok" icon="key">signed</Sign> : <Sign tone="warn">not signed</Sign>;
  return channel.email.security === "none" ? <Sign tone="warn">not encrypted</Sign> : <Sign tone="ok" icon="lock">encrypted</Sign>;
}
