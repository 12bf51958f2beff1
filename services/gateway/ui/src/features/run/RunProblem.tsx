import { Link } from "@tanstack/react-router";
import { ApiProblem } from "@/api/client";
import { buttonClass } from "@/components/Button";
import { Empty, Problem } from "@/components/States";

/** Why a run cannot be shown. One that is not there was forgotten, most often, and trying again does not bring it back. */
export function RunProblem({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (!(error instanceof ApiProblem) || error.status !== 404) {
    return <Problem error={error} onRetry={onRetry} />;
  }
  return (
    <Empty icon="question" title="This run is not here">
      <p>Runs are forgotten after the time for which they are kept here; how they ended still stands in the history. Or the link was cut short.</p>
      <Link to="/history" className={buttonClass()}>
        Open the history
      </Link>
    </Empty>
  );
}
