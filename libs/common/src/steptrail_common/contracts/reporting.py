"""What reporting says: run history as it knows it from events, figures per process, exports."""

from datetime import date

from pydantic import Field

from steptrail_common.contracts.model import Contract, RunStatus, Timestamp


class RunFact(Contract):
    """One finished or running run, as told by events."""

    run_id: str
    process_id: str
    process_name: str
    status: RunStatus
    trigger: str
    initiated_by: str
    key: str | None
    queued_at: Timestamp
    started_at: Timestamp | None
    ended_at: Timestamp | None
    duration_seconds: float | None
    verdict: str | None
    failed_step: str | None = None
    failure_class: str | None = None
    retries: int = 0


class RunExport(Contract):
    """An export as JSON. `count` stands at its end as proof that nothing was cut off."""

    since: Timestamp
    until: Timestamp
    items: list[RunFact]
    count: int


class StepFact(Contract):
    run_id: str
    step_id: str
    number: int
    name: str
    check_type: str
    status: str
    failure_class: str | None = None
    attempts: int = 0
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    duration_seconds: float | None = None
    expected_duration_seconds: float | None = None


class GridColumn(Contract):
    """A run as one column of the run × step grid: step_id → status, and step_id → seconds."""

    run_id: str
    status: RunStatus
    trigger: str
    key: str | None
    queued_at: Timestamp
    duration_seconds: float | None
    steps: dict[str, str]
    step_seconds: dict[str, float]
    kept: list[str] = Field(default=[], description="Steps whose result was kept from the run that this one continues")


class StepFigures(Contract):
    """Of one step over a period. Durations in seconds, of passed attempts only."""

    step_id: str
    name: str
    number: int
    runs: int
    success_rate: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    retries: int


class ProcessFigures(Contract):
    """Of one process over a period, with its accounting stated: nothing measured is null, never 0 or 100 %."""

    process_id: str
    since: Timestamp
    until: Timestamp
    runs: int
    by_status: dict[str, int]
    by_trigger: dict[str, int]
    success_rate: float | None = Field(description="success and warning over all runs but cancelled and error")
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    mean_time_to_recover_seconds: float | None
    queue_wait_p95_seconds: float | None
    retries: int
    missed_starts: int = Field(default=0, description="Scheduled starts that nobody was there to make: not measured")
    steps: list[StepFigures]
    accounting: str


class ProcessState(Contract):
    """The last verdict of a process: a row of the overview."""

    process_id: str
    last_run_id: str | None
    last_status: RunStatus | None
    last_key: str | None
    last_verdict: str | None
    last_run_at: Timestamp | None
    since: Timestamp | None = Field(description="Since when the last status has stood without interruption")
    running: int = 0
    recent: list[tuple[str, str]] = Field(default=[], description="(run_id, status) of the last 30 runs, oldest first")


class OverviewCounts(Contract):
    """How the active processes stand, all of them."""

    processes: int
    by_status: dict[str, int] = Field(description="Status of the last run → how many processes")
    never_run: int
    running: int = Field(description="Runs under way")


class OverviewStates(OverviewCounts):
    """A page of the active processes, those that need a person first."""

    items: list[ProcessState]
    next_cursor: str | None = None


class TrendDay(Contract):
    """One UTC day with runs or missed starts. Nothing measured is null; a day without either is left out."""

    day: date
    runs: int
    by_status: dict[str, int]
    success_rate: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    missed_starts: int = Field(default=0, description="Scheduled starts that were missed; of whole runs only")


class Trend(Contract):
    """Figures day by day, of a process or of one step of it."""

    process_id: str
    step_id: str | None
    since: date
    until: date = Field(description="The last day, inclusive")
    days: list[TrendDay]
