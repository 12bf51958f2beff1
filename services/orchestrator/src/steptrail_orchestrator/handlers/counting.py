"""What is counted of a committed decision."""

from steptrail_common import telemetry

from steptrail_orchestrator.ports import Decided


def count(decided: Decided) -> None:
    """Metrics and log lines of what ended, was late or was repaired."""
    for walk in decided.walks:
        for event in walk.events:
            if event.type == "step.finished":
                telemetry.labelled(
                    telemetry.STEPS, event.status, event.failure_class or "none", event.check_type or "none"
                ).inc()
            elif event.type == "run.finished":
                telemetry.labelled(telemetry.RUNS, event.status, walk.run.trigger).inc()
                telemetry.RUN_SECONDS.observe(event.duration_seconds or 0.0)
                telemetry.log.info(
                    "run.finished",
                    run_id=event.run_id,
                    process_id=event.process_id,
                    status=event.status,
                    seconds=event.duration_seconds,
                    verdict=event.verdict,
                )
        if walk.late:
            telemetry.LATE_RESULTS.inc(len(walk.late))
            for late in walk.late:
                result = late.result
                telemetry.log.info(
                    "result.late",
                    run_id=result.run_id,
                    step_id=result.step_id,
                    attempt=result.attempt,
                    worker_id=result.worker_id,
                    why=late.why,
                )
        if walk.repaired:
            telemetry.ORPHANS_REPAIRED.inc(walk.repaired)
            again = len(walk.resent)
            telemetry.log.warning("run.repaired", run_id=walk.run.run_id, count=walk.repaired, sent_again=again)
