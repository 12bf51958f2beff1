import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Button, buttonClass } from "@/components/Button";
import { Page } from "@/components/Page";
import { Empty, Problem } from "@/components/States";

export function NotFoundPage() {
  return (
    <Page title="Not found" heading>
      <Empty icon="question" title="There is nothing at this address">
        <p>It may have been deleted, or the link may be cut short.</p>
        <Link to="/" className={buttonClass()}>
          Go to the overview
        </Link>
      </Empty>
    </Page>
  );
}

/** The last resort: something of ours broke, or the server could not be reached on the way in. */
export function FaultPage({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="Something went wrong" heading>
      <Problem error={error as Error} onRetry={reset} />
      <Empty title="Still the same?">
        <Button onClick={() => location.reload()}>Load the page again</Button>
      </Empty>
    </Page>
  );
}
