import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMay } from "@/api/useMe";
import { Card, Page } from "@/components/Page";
import { PageHead } from "@/components/PageHead";
import { Tabs } from "@/components/Tabs";
import type { NotificationsSearch } from "@/lib/search";
import { Channels } from "./Channels";
import { DeliveryLog } from "./DeliveryLog";
import styles from "./Notifications.module.css";
import { Rules } from "./Rules";

/** Who is told what, and whether it arrived. Those who may not see channels see the log alone. */
export function NotificationsPage() {
  const search = useSearch({ from: "/inside/notifications" });
  const navigate = useNavigate();
  const maySeeChannels = useMay("channels.read");
  const change = (next: NotificationsSearch) => void navigate({ to: "/notifications", search: next, replace: true });
  const log = <DeliveryLog search={search} onChange={change} />;
  const tabs = [
    { id: "channels", label: "Channels", content: <Channels /> },
    { id: "rules", label: "Rules", content: <Rules /> },
    { id: "log", label: "Delivery log", content: log },
  ];
  return (
    <Page title="Notifications">
      <PageHead title="Notifications" about="Who is told what became of a run: systems by webhook, people by e-mail." />
      <Card className={styles.card}>
        {maySeeChannels ? <Tabs label="Notifications" tabs={tabs} value={search.tab ?? "channels"} onChange={(tab) => change({ tab: tab as NotificationsSearch["tab"] })} /> : log}
      </Card>
    </Page>
  );
}
