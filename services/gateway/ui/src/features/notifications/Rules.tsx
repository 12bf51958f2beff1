import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { channelsQuery, deleteRule, rulesQuery } from "@/api/notifications";
import type { NotifyRule } from "@/api/types";
import { useMay } from "@/api/useMe";
import { Button } from "@/components/Button";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Icon } from "@/components/Icon";
import { Listing } from "@/components/Listing";
import { Toolbar } from "@/components/PageHead";
import { type Column, Named, RowTable } from "@/components/RowTable";
import { Sign } from "@/components/Sign";
import { Empty } from "@/components/States";
import { momentsText, patienceText } from "@/lib/notifications";
import styles from "./Notifications.module.css";
import { ProcessName } from "./ProcessName";
import { RuleDialog } from "./RuleDialog";

type Open = { what: "new" } | { what: "change" | "delete"; rule: NotifyRule } | null;

/** Which runs are told to which channel. */
export function Rules() {
  const mayWrite = useMay("channels.write");
  const queries = useQueryClient();
  const [open, setOpen] = useState<Open>(null);
  const query = useInfiniteQuery(rulesQuery);
  const channels = useInfiniteQuery(channelsQuery).data?.pages.flatMap((page) => page.items) ?? [];
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: ["rules"] });
  const channelName = (id: string) => channels.find((channel) => channel.channel_id === id)?.name ?? id;
  const columns: Column<NotifyRule>[] = [
    { title: "When", look: "fill", cell: (rule) => <Named name={<b>{momentsText(rule.on)}</b>} about={rule.rule_id} /> },
    { title: "Of", cell: (rule) => <Scope rule={rule} /> },
    { title: "Tell", cell: (rule) => channelName(rule.channel_id) },
    { title: "How soon", cell: (rule) => patienceText(rule) },
    { title: "State", cell: ({ active }) => (active === false ? <Sign tone="skipped">off</Sign> : <Sign tone="ok">on</Sign>) },
  ];
  if (mayWrite) {
    columns.push({
      title: "What to do",
      look: "act",
      cell: (rule) => (
        <>
          <Button look="quiet" aria-label={`Edit the rule ${rule.rule_id}`} onClick={() => setOpen({ what: "change", rule })}>
            Edit
          </Button>
          <Button look="quiet" aria-label={`Delete the rule ${rule.rule_id}`} onClick={() => setOpen({ what: "delete", rule })}>
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
          <p>{channels.length > 0 ? "A rule holds for every process unless it names one, or a category." : "Make a channel first: a rule needs one to tell."}</p>
          <Button disabled={channels.length === 0} onClick={() => setOpen({ what: "new" })}>
            <Icon name="plus" /> New rule
          </Button>
        </Toolbar>
      )}
      <Listing
        read={query}
        count={rows.length}
        label="rules"
        empty={
          <Empty icon="bell" title="There are no rules yet">
            A rule says which runs are told to which channel. Definitions of processes can also say it for themselves.
          </Empty>
        }
      >
        <RowTable label="Rules" columns={columns} rows={rows} keyOf={(row) => row.rule_id} />
      </Listing>
      {(open?.what === "new" || open?.what === "change") && (
        <RuleDialog
          rule={open.what === "change" ? open.rule : undefined}
          channels={channels}
          onClose={() => setOpen(null)}
          onSaved={() => {
            setOpen(null);
            void refresh();
          }}
        />
      )}
      {open?.what === "delete" && (
        <ConfirmDialog
          title="Delete this rule?"
          action="Delete the rule"
          onClose={() => setOpen(null)}
          onConfirm={async () => {
            await deleteRule(open.rule.rule_id);
            await refresh();
          }}
        >
          <p>
            {channelName(open.rule.channel_id)} is no longer told by it when a run is {momentsText(open.rule.on)}.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}

function Scope({ rule }: { rule: NotifyRule }) {
  if (rule.process_id) {
    return (
      <Link to="/processes/$processId" params={{ processId: rule.process_id }}>
        <ProcessName processId={rule.process_id} />
      </Link>
    );
  }
  return rule.category ? <>category {rule.category}</> : <span className={styles.quiet}>every process</span>;
}
