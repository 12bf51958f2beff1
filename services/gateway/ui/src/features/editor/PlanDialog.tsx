import { useQuery } from "@tanstack/react-query";
import { type PlanItem, planDraft } from "@/api/editing";
import { Dialog } from "@/components/Dialog";
import { Icon, type IconName } from "@/components/Icon";
import { Empty, Loading, Problem } from "@/components/States";
import { plural } from "@/lib/format";
import styles from "./Editor.module.css";

const KINDS: readonly (readonly [PlanItem["kind"], string, IconName])[] = [
  ["host", "Hosts it asks", "plug"],
  ["statement", "Statements it runs", "terminal"],
  ["file", "Files it looks at", "file"],
  ["secret", "Secrets it uses", "lock"],
];

/** What a run of the draft would touch, found without touching it. */
export function PlanDialog({ document, onClose }: { document: Record<string, unknown>; onClose: () => void }) {
  const plan = useQuery({ queryKey: ["plan", document], queryFn: () => planDraft(document, {}), staleTime: 0, gcTime: 0, retry: false });
  const items = plan.data?.items ?? [];
  return (
    <Dialog title="Plan" subtitle="What a run would touch. Nothing was touched to find this out." onClose={onClose} wide>
      {plan.isPending && <Loading rows={4} label="Loading the plan" />}
      {plan.isError && <Problem compact error={plan.error} onRetry={() => void plan.refetch()} />}
      {plan.isSuccess && items.length === 0 && <Empty title="It would touch nothing" />}
      {(plan.data?.warnings ?? []).map((warning) => (
        <p key={warning} className={styles.warning}>
          <Icon name="bang" size={14} />
          <span className={styles.warned}>{warning}</span>
        </p>
      ))}
      {KINDS.map(([kind, title, icon]) => {
        const found = items.filter((item) => item.kind === kind);
        return (
          found.length > 0 && (
            <section key={kind} className={styles.planned} aria-label={title}>
              <h3>
                <Icon name={icon} size={15} /> {title} <span>{plural(new Set(found.map((item) => item.target)).size, kind)}</span>
              </h3>
              <ul>
                {found.map((item, index) => (
                  <li key={index}>
                    <span>{item.step_number}</span>
                    <code>{item.target}</code>
                    {item.detail && <small>{item.detail}</small>}
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
    </Dialog>
  );
}
