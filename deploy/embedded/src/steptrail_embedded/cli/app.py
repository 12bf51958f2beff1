"""The commands. Exit codes: 0 success, 1 failed or stuck, 2 error, 3 wrong usage."""

import importlib.metadata
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from steptrail_common.contracts.catalog import Plan, ValidationReport

from steptrail_embedded.cli.client import EXIT_ERROR, EXIT_USAGE, Client, CommandFailed, server_and_token
from steptrail_embedded.cli.junit import junit
from steptrail_embedded.cli.watch import OPEN, follow, watch
from steptrail_embedded.paths import DEFAULT_DATA

app = typer.Typer(
    name="steptrail",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Check business processes step by step, and see where they are stuck.",
)
token_app = typer.Typer(no_args_is_help=True, help="API tokens for programs.")
app.add_typer(token_app, name="token")
out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)
"""Without markup: brackets in a verdict or a statement are text."""

EXIT_BY_STATUS = {"success": 0, "warning": 0, "error": EXIT_ERROR, "cancelled": EXIT_ERROR}
"""Every other final status (failed, stuck, not_yet, timeout) exits with 1."""
DATA_HELP = "The data folder of a local server"
Data = Annotated[Path, typer.Option("--data", envvar="STEPTRAIL_DATA", help=DATA_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def connect(data: Path) -> Client:
    return Client(*server_and_token(data))


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@app.command()
def check(
    process: Annotated[str, typer.Argument(help="The process id")],
    inputs: Annotated[list[str] | None, typer.Option("--input", "-i", help="An input, as name=value")] = None,
    watching: Annotated[bool, typer.Option("--watch", help="Show every step as it happens")] = False,
    as_json: AsJson = False,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report to this file")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start a check and wait for its end."""
    client = connect(data)
    definition = client.get(f"/processes/{process}")["definition"]
    body = {"process_id": process, "inputs": parse_inputs(inputs or [], definition["inputs"])}
    headers = {"Idempotency-Key": uuid.uuid4().hex, "X-Steptrail-Trigger": "cli"}
    run_id = client.request("POST", "/runs", json=body, headers=headers).json()["run_id"]
    if watching and not as_json:
        run = watch(client, run_id, out)
    else:
        run = next(view for view in follow(client, run_id) if view["status"] not in OPEN)
        print_json(run) if as_json else out.print(run["verdict"]["text"], soft_wrap=True)
    if junit_file:
        junit_file.write_bytes(junit(run))
    raise typer.Exit(EXIT_BY_STATUS.get(run["status"], 1))


def parse_inputs(pairs: list[str], declared: dict[str, Any]) -> dict[str, Any]:
    """`name=value` pairs by their declared types. Raises `CommandFailed` for what cannot be meant."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator:
            raise CommandFailed(f"--input {pair}: write it as name=value", EXIT_USAGE)
        kind = declared.get(name, {}).get("type", "string")
        try:
            values[name] = json.loads(text) if kind in ("integer", "number", "boolean") else text
        except ValueError:
            raise CommandFailed(f"--input {name}: {text!r} is not of type {kind}", EXIT_USAGE) from None
    return values


def print_list(columns: Sequence[str], rows: Sequence[Sequence[str | None]], *, empty: str) -> None:
    """A table in which nothing is cut, however narrow the terminal: ids are there to be copied. `empty`: said instead
    of a table without rows."""
    if not rows:
        return out.print(empty)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "process")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def moment(timestamp: str) -> str:
    """`2026-11-27 16:30:02`."""
    return timestamp[:19].replace("T", " ")


@app.command()
def runs(
    process: Annotated[str | None, typer.Option(help="Only runs of this process")] = None,
    status: Annotated[str | None, typer.Option(help="Only runs with this status")] = None,
    key: Annotated[str | None, typer.Option(help="Only runs for this business key")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """List runs, newest first."""
    items = connect(data).get("/runs", process_id=process, status=status, key=key, limit=limit)["items"]
    if as_json:
        return print_json(items)
    print_list(
        ("started", "process", "key", "status", "verdict", "run"),
        [
            (
                moment(run["queued_at"]),
                run["process_id"],
                run["key"],
                run["status"],
                run["verdict"]["text"],
                run["run_id"],
            )
            for run in items
        ],
        empty="No runs here. Start one: steptrail check PROCESS",
    )


@app.command()
def processes(
    search: Annotated[str | None, typer.Option("--search", "-q", help="Text in name, id, description or tags")] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """List processes with their last verdict."""
    items = list(connect(data).every("/processes", q=search))
    if as_json:
        return print_json(items)
    rows = []
    for row in items:
        state = row["state"]
        verdict, last = state["last_verdict"], state["last_status"] or "never run"
        rows.append((row["process_id"], row["name"], row["category"], str(row["step_count"]), last, verdict))
    print_list(
        ("process", "name", "category", "steps", "last", "verdict"),
        rows,
        empty="No processes here. Add some: steptrail apply FILE_OR_FOLDER",
    )


def definition_files(path: Path) -> list[Path]:
    """A file itself, or every YAML and JSON file of a folder in order of name."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml", ".json"))
    if not found:
        raise CommandFailed(f"{path}: no such file, and no folder with .yaml, .yml or .json files", EXIT_USAGE)
    return found


def media_type(file: Path) -> str:
    return "application/json" if file.suffix == ".json" else "application/yaml"


@app.command()
def apply(
    path: Annotated[Path, typer.Argument(help="A definition, or a folder of them")], data: Data = DEFAULT_DATA
) -> None:
    """Create or update processes from files. Unchanged ones get no new revision."""
    client = connect(data)
    for file in definition_files(path):
        report = validated(file)
        if report.definition is None:
            raise CommandFailed(fault_text(file, report), EXIT_USAGE)
        outcome = apply_one(client, report.definition.process, file)
        out.print(f"{outcome}  {report.definition.process}")


def apply_one(client: Client, process: str, file: Path) -> str:
    """`created`, `updated` or `unchanged`."""
    headers, text = {"Content-Type": media_type(file)}, file.read_bytes()
    present = client.http.get(f"/processes/{process}")
    if present.status_code == 404:
        client.request("POST", "/processes", content=text, headers=headers)
        return "created  "
    if present.status_code >= 400:
        client.request("GET", f"/processes/{process}")
    if present.json()["source_yaml"] == text.decode("utf-8", "replace"):
        return "unchanged"
    headers["If-Match"] = present.headers["etag"]
    client.request("PUT", f"/processes/{process}", content=text, headers=headers)
    return "updated  "


def validated(file: Path) -> ValidationReport:
    from steptrail_catalog.service import validate_text

    return validate_text(read(file), media_type(file))


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file}: {error}", EXIT_USAGE) from error


def fault_text(file: Path, report: ValidationReport) -> str:
    faults = (f"{file}:{fault.line or ''}: {fault.path or '(document)'}: {fault.message}" for fault in report.errors)
    return "\n".join(faults)


@app.command()
def validate(path: Annotated[Path, typer.Argument(help="A definition, or a folder of them")]) -> None:
    """Check definitions without a server; every fault is named with its line."""
    faults = 0
    for file in definition_files(path):
        report = validated(file)
        faults += len(report.errors)
        out.print(f"{file}: valid" if report.valid else fault_text(file, report), soft_wrap=True)
    raise typer.Exit(EXIT_USAGE if faults else 0)


@app.command()
def plan(file: Annotated[Path, typer.Argument(help="A definition")], as_json: AsJson = False) -> None:
    """List every host, statement, file and secret a run would touch, without touching it."""
    from steptrail_catalog.service import plan_text

    report = validated(file)
    if not report.valid:
        raise CommandFailed(fault_text(file, report), EXIT_USAGE)
    found: Plan = plan_text(read(file), media_type(file))
    if as_json:
        return print_json(found.model_dump(mode="json"))
    print_list(
        ("step", "kind", "target", "detail"),
        [(f"{item.step_number} {item.step_id}", item.kind, item.target, item.detail) for item in found.items],
        empty="A run of it touches nothing.",
    )
    for warning in found.warnings:
        err.print(f"warning: {warning}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the YAML files go; it is made if it does not exist")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Write every process as YAML, ready for Git and for `apply`."""
    client = connect(data)
    folder.mkdir(parents=True, exist_ok=True)
    for row in client.every("/processes"):
        view = client.get(f"/processes/{row['process_id']}")
        (folder / f"{row['process_id']}.yaml").write_text(view["source_yaml"], encoding="utf-8")
        out.print(f"{row['process_id']}.yaml")


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="What the token is for")],
    role: Annotated[str, typer.Option(help="viewer, operator, editor or admin")] = "operator",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires")] = 90,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make an API token. It is shown once."""
    body = {"name": name, "role": role, "expires_in_days": days}
    typer.echo(connect(data).request("POST", "/tokens", json=body).json()["token"])


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"steptrail {importlib.metadata.version('steptrail-embedded')}")
