"""A run on the terminal: a live chain where there is a screen, plain lines where there is none."""

import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from steptrail_embedded.cli.client import Client, CommandFailed

SIGNS = {
    "pending": ("·", "dim"),
    "running": ("▶", "blue"),
    "retrying": ("↻", "blue"),
    "waiting": ("◷", "blue"),
    "success": ("✓", "green"),
    "warning": ("!", "yellow"),
    "not_yet": ("◷", "yellow"),
    "overdue": ("◷", "dark_orange"),
    "failed": ("✗", "red"),
    "timeout": ("✗", "red"),
    "error": ("✗", "magenta"),
    "skipped": ("-", "dim"),
    "cancelled": ("-", "dim"),
}
OPEN = {"queued", "running"}
RECONNECT_SECONDS = 1.0
GIVE_UP_SECONDS = 60.0
"""How long a server may be away while we watch."""


def follow(client: Client, run_id: str) -> Iterator[dict[str, Any]]:
    """The run's view after every event until it is final; reconnects when the stream breaks."""
    lost_since: float | None = None
    while True:
        try:
            for _ in client.events(run_id):
                run = client.get(f"/runs/{run_id}")
                lost_since = None
                yield run
                if run["status"] not in OPEN:
                    return
        except CommandFailed:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > GIVE_UP_SECONDS:
                raise
        time.sleep(RECONNECT_SECONDS)


def watch(client: Client, run_id: str, console: Console) -> dict[str, Any]:
    """Show the run until it is final; the final view."""
    if not console.is_terminal:
        return _watch_plain(client, run_id, console)
    run: dict[str, Any] = {}
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        for run in follow(client, run_id):
            live.update(draw(run))
    console.print(draw(run))
    return run


def _watch_plain(client: Client, run_id: str, console: Console) -> dict[str, Any]:
    run: dict[str, Any] = {}
    told: dict[str, str] = {}
    for run in follow(client, run_id):
        for step in run["steps"]:
            if step["status"] != "pending" and told.get(step["step_id"]) != step["status"]:
                told[step["step_id"]] = step["status"]
                console.print(_line(step), soft_wrap=True)
    console.print(run["verdict"]["text"], soft_wrap=True)
    return run


def draw(run: dict[str, Any]) -> Group:
    """The whole chain with the verdict below."""
    title = Text.assemble((run["process_name"], "bold"), f"  {run.get('key') or ''}", (f"  {run['run_id']}", "dim"))
    return Group(title, *[_line(step) for step in run["steps"]], Text(""), Text(run["verdict"]["text"], style="bold"))


def _line(step: dict[str, Any]) -> Text:
    sign, colour = SIGNS[step["status"]]
    line = Text.from_markup(f"[{colour}]{sign}[/] {step['number']:>2} {escape(step['name'])}  [dim]{step['status']}[/]")
    if step["attempt"] > 1 and step["status"] in ("running", "retrying", "waiting"):
        # Looks of a step that waits for something are not attempts at it: they may go on as long as it waits.
        looks = step.get("waiting_until") is not None
        words = f"{step['attempt']} looks" if looks else f"attempt {step['attempt']} of {step['of_attempts']}"
        line.append(f"  {words}", style="dim")
    if step.get("duration_seconds") is not None:
        seconds = step["duration_seconds"]
        line.append("  < 0.01 s" if seconds < 0.01 else f"  {seconds:.2f} s", style="dim")
    detail = step.get("message") or (step.get("reason") if step["status"] == "skipped" else None)
    if detail and step["status"] not in ("success", "running"):
        line.append(f"  {detail}", style=colour)
    return line
