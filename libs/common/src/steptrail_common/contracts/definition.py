"""The process format: one shape in YAML, JSON, API and editor. See `docs/process-format.md`.

Text that may hold `${{ … }}` is kept as written; the orchestrator evaluates it when a step starts.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from steptrail_common.contracts.checks import Check
from steptrail_common.contracts.model import Contract, Duration, FailureClass, Json, Name, Slug, Timestamp

MAX_STEPS = 200
MAX_URL = 8192
ID = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""An id used in expressions (step, input, variable, capture): lower-case letters, digits, underscores."""
ValueType = Literal["string", "integer", "number", "boolean", "datetime", "json"]


class Input(Contract):
    """A value asked for when a run starts."""

    type: Literal["string", "integer", "number", "boolean", "date", "datetime"] = "string"
    label: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    required: bool = True
    default: Json = None
    example: Json = None
    matches: str | None = Field(
        default=None, max_length=500, description="A regular expression the whole text must match"
    )
    options: list[Json] | None = Field(default=None, max_length=200, description="The only values allowed")


class Retry(Contract):
    """Repeats for trouble in checking. `count` is repeats after the first attempt (2 → at most 3 attempts)."""

    count: int = Field(default=2, ge=0, le=10)
    interval: Duration = 2.0
    backoff: Literal["fixed", "exponential"] = "exponential"
    max_interval: Duration = 30.0
    on: list[FailureClass] = Field(
        default=[FailureClass.DNS, FailureClass.CONNECT, FailureClass.TIMEOUT, FailureClass.RATE_LIMITED],
        description="Failure classes to repeat; `network` stands for dns, connect and tls",
    )

    @field_validator("on", mode="before")
    @classmethod
    def _network_is_three_classes(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        spread = [["dns", "connect", "tls"] if item == "network" else [item] for item in value]
        return list(dict.fromkeys(item for group in spread for item in group))


class WaitUntil(Contract):
    """Polling for a state that is not there yet: look every `interval` for at most `timeout`."""

    interval: Duration
    timeout: Duration


class Assertion(Contract):
    """What must hold. In YAML `{status: {eq: 200}}` or `{jsonpath: $.state, in: [PAID]}`; here in normal form.

    `subject` is what is looked at, `argument` its selector, path, header or column, `part` which property
    of it (`text`, `count`, `attribute:href`), `row` which row of a table (`first`, `last`, `any`, `all`).
    """

    subject: Literal[
        "status",
        "url",
        "title",
        "selector",
        "xpath",
        "regex",
        "text",
        "body",
        "header",
        "jsonpath",
        "elapsed",
        "column",
        "rows",
        "count",
        "size",
        "age",
        "content",
        "jsonld",
        "pages",
        "broken_links",
        "missing_titles",
        "mixed_content",
        "redirects",
        "console_errors",
        "failed_requests",
        "certificate",
        "name",
        "hash",
        "columns",
    ]
    argument: str | None = None
    part: str | None = None
    row: Literal["first", "last", "any", "all"] | None = None
    operators: dict[str, Json] = Field(min_length=1, max_length=6)


class Capture(Contract):
    """A value taken from the answer for later steps, of a declared type (text stays text)."""

    jsonpath: str | None = Field(default=None, max_length=1000)
    selector: str | None = Field(default=None, max_length=1000)
    xpath: str | None = Field(default=None, max_length=1000)
    regex: str | None = Field(default=None, max_length=1000, description="The first group, or the whole match")
    header: str | None = Field(default=None, max_length=200)
    column: str | None = Field(default=None, max_length=200)
    file: Literal["name", "path", "size", "modified", "hash"] | None = Field(
        default=None, description="A property of the newest file"
    )
    cookies: Literal["all"] | None = Field(
        default=None, description="The cookies of the answer, encrypted for workers, for `cookies` of a later step"
    )
    jsonld: str | None = Field(
        default=None, max_length=1000, description="A JSON path over the list of a page's JSON-LD objects"
    )
    finding: (
        Literal[
            "pages",
            "broken_links",
            "missing_titles",
            "mixed_content",
            "redirects",
            "console_errors",
            "failed_requests",
        ]
        | None
    ) = Field(default=None, description="How many of these a page check found")
    attribute: str | None = Field(
        default=None, max_length=100, description="With selector: the attribute instead of the text"
    )
    row: Literal["first", "last"] = "first"
    type: ValueType | None = Field(default=None, description="Without it JSON and SQL values keep their own type")
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "Capture":
        sources = ("jsonpath", "selector", "xpath", "regex", "header", "column", "file", "jsonld", "finding", "cookies")
        if sum(getattr(self, name) is not None for name in sources) != 1:
            raise ValueError(f"name exactly one source of the value: {', '.join(sources)}")
        return self


class KeySet(Contract):
    """A read-only query whose rows are keys: one statement for all of them, however many there are."""

    connection: Slug | None = Field(default=None, description="A database; for `set` the population's by default")
    query: str = Field(min_length=1, max_length=65536)
    params: dict[str, Json] = Field(default={}, max_length=200, description="Binds of the query: plain values")
    key: str | None = Field(default=None, max_length=200, description="The column with the key; else the first")
    timeout: Duration | None = Field(default=None, description="Of the query; 15s by default")


class Population(KeySet):
    """Which keys are open: what the stuck board places. At most 10,000."""

    since: str | None = Field(default=None, max_length=200, description="The column a key's age counts from")
    input: ID | None = Field(default=None, description="The input a key is given to for a check; else the key input")


class Step(Contract, defer_build=True):
    """One link of the chain: what to check, what must hold, and what to do when it does not."""

    id: ID
    name: Name
    description: str | None = Field(default=None, max_length=4000)
    owner: str | None = Field(default=None, max_length=200)
    runbook: str | None = Field(default=None, max_length=2000, pattern=r"^https?://")
    enabled: bool = True
    check: Check
    assertions: list[Assertion] = Field(default=[], alias="assert", max_length=100)
    capture: dict[ID, Capture] = Field(default={}, max_length=50)
    timeout: Duration | None = Field(
        default=None, description="Of one attempt; else defaults, else 30s, 5s for db_query"
    )
    share: bool = Field(
        default=True,
        description="Identical checks that several runs ask for at the same moment are done once; false: each its own",
    )
    retry: Retry | None = None
    wait_until: WaitUntil | None = None
    expect_within: Duration | None = Field(
        default=None, description="Business allowance: not yet before, overdue after"
    )
    since: str | None = Field(
        default=None, description="When the allowance starts: one `${{ … }}`; else the run's start"
    )
    on_failure: Literal["stop", "continue", "warn"] = "stop"
    always_run: bool = False
    condition: str | None = Field(default=None, alias="if", max_length=4000)
    key_set: KeySet | None = Field(
        default=None, alias="set", description="Stuck board: a query that returns the open keys that passed this step"
    )


class Defaults(Contract):
    timeout: Duration | None = None
    retry: Retry | None = None


class Schedule(Contract):
    """When to run by itself: `every` or `cron` (five fields) with a time zone."""

    every: Duration | None = Field(
        default=None, description="At least 10s; counted without regard to days and summer time", examples=["15m"]
    )
    cron: str | None = Field(
        default=None, max_length=200, description="Minute, hour, day, month, weekday", examples=["0 6 * * 1-5"]
    )
    timezone: str = Field(default="UTC", max_length=100, description="Whose clock `cron` reads")
    inputs: dict[str, Json] = {}
    jitter: Duration | None = Field(
        default=None, description="Starts up to so much later, so that not all start at once", examples=["30s"]
    )
    catch_up: Literal["skip", "once"] = Field(
        default="skip", description="What becomes of ticks that nobody could start: recorded only, or one run for them"
    )

    @model_validator(mode="after")
    def _one_rhythm(self) -> "Schedule":
        if (self.every is None) == (self.cron is None):
            raise ValueError("write either every or cron")
        return self


class MaintenanceWindow(Contract):
    """When nothing is to be started by schedule: `cron` with `duration`, or the moments `from` and `until`."""

    cron: str | None = Field(
        default=None, max_length=200, description="When the window opens, five fields", examples=["0 3 * * 0"]
    )
    duration: Duration | None = Field(default=None, description="With cron: how long it stays open", examples=["2h"])
    timezone: str = Field(default="UTC", max_length=100, description="Whose clock `cron` reads")
    opens: Timestamp | None = Field(default=None, alias="from")
    closes: Timestamp | None = Field(default=None, alias="until")
    reason: str | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _one_form(self) -> "MaintenanceWindow":
        repeated, single = (self.cron, self.duration), (self.opens, self.closes)
        if repeated.count(None) + single.count(None) != 2 or (None in repeated and None in single):
            raise ValueError("write either cron and duration, or from and until")
        if self.opens is not None and self.closes is not None and self.opens >= self.closes:
            raise ValueError("`from` must be before `until`")
        return self


class NotifyRule(Contract):
    """Whom to tell, and when. `channel` names a channel of the notifier."""

    channel: Slug
    on: list[
        Literal[
            "failed", "stuck", "not_yet", "warning", "error", "timeout", "recovered", "success", "finished",
            "incident_opened", "incident_resolved",
        ]
    ] = Field(min_length=1)  # fmt: skip
    after_failures: int = Field(default=1, ge=1, le=100)
    remind_every: Duration | None = None


class Definition(Contract, defer_build=True):
    """A whole process: `version: 1`."""

    version: Literal[1]
    process: Slug
    name: Name
    description: str | None = Field(default=None, max_length=4000)
    category: str | None = Field(default=None, max_length=100)
    tags: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field(default=[], max_length=50)
    owner: str | None = Field(default=None, max_length=200)
    active: bool = True
    key: ID | None = Field(default=None, description="The input that names a run; else the first input")
    inputs: dict[ID, Input] = Field(default={}, max_length=50)
    vars: dict[ID, Json] = Field(default={}, max_length=100)
    timeout: Duration = 300.0
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Steps of this process under way at once, over all its runs; further ones wait for their turn",
    )
    schedule: list[Schedule] = Field(default=[], max_length=50)
    maintenance: list[MaintenanceWindow] = Field(
        default=[], max_length=50, description="When schedules start nothing; people still can"
    )
    defaults: Defaults = Defaults()
    population: Population | None = Field(default=None, description="Stuck board: the keys that are open")
    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS)
    notify: list[NotifyRule] = Field(default=[], max_length=50)

    @property
    def key_input(self) -> str | None:
        """The input whose value names a run of this process."""
        return self.key or next(iter(self.inputs), None)


Document = dict[str, Any]
"""A definition as written: plain JSON, keys in the author's order."""
