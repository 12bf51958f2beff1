import { lazy, type ReactNode, Suspense } from "react";

type Props = { cron: string; after?: ReactNode; children?: ReactNode };

const Words = lazy(async () => {
  const { cronWords } = await import("@/lib/cron");
  return {
    default({ cron, after, children }: Props) {
      const words = cronWords(cron);
      return words ? <>{words}{after}</> : <>{children}</>;
    },
  };
});

/** A cron expression in words; `children` stand in while they are loaded, and for what is none. */
export function CronWords(props: Props) {
  return (
    <Suspense fallback={props.children}>
      <Words {...props} />
    </Suspense>
  );
}
