"""What is wrong now: one line for each root cause, and taking it in hand."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steptrail_embedded.cli.app import AsJson, Data, connect, moment, out, print_json, print_list
from steptrail_embedded.paths import DEFAULT_DATA

app = typer.Typer(invoke_without_command=True)

IncidentId = Annotated[str, typer.Argument(help="The id of the incident, as the list shows it")]
Note = Annotated[str | None, typer.Option("--note", "-n", help="A word to the colleagues")]


class State(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


NOT_OVER = [State.OPEN, State.ACKNOWLEDGED]


@app.callback()
def incidents(
    context: typer.Context,
    state: Annotated[
        list[State] | None, typer.Option(help="Only those in this state; repeatable. Without it, all that are not over")
    ] = None,
    process: Annotated[str | None, typer.Option(help="Only those this process stands or stood in")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """List what is wrong, once for each root cause: what waits for somebody first. Or take one in hand."""
    if context.invoked_subcommand is not None:
        return
    items = connect(data).get("/incidents", state=state or NOT_OVER, process_id=process, limit=limit)["items"]
    if as_json:
        return print_json(items)
    print_list(
        ("since", "state", "what is wrong", "keys", "in hand", "incident"),
        [
            (
                moment(row["opened_at"]),
                row["state"],
                row["title"],
                str(row["keys_open"]),
                row["acknowledged_by"],
                row["incident_id"],
            )
            for row in items
        ],
        empty="No incidents here.",
    )


@app.command()
def acknowledge(incident: IncidentId, note: Note = None, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """Take an incident in hand: everybody sees it, and nobody is reminded."""
    tell(incident, "acknowledge", note, as_json, data)


@app.command()
def unacknowledge(incident: IncidentId, note: Note = None, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """Give an incident back: it waits for somebody again."""
    tell(incident, "unacknowledge", note, as_json, data)


@app.command()
def resolve(incident: IncidentId, note: Note = None, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """Say that an incident is over. A newer run that fails opens it again."""
    tell(incident, "resolve", note, as_json, data)


def tell(incident: str, deed: str, note: str | None, as_json: bool, data: Path) -> None:
    """Do it, and say how the incident stands now."""
    body = {"note": note} if note else {}
    shown = connect(data).request("POST", f"/incidents/{incident}/{deed}", json=body).json()
    print_json(shown) if as_json else out.print(f"{shown['state']}  {shown['title']}", soft_wrap=True)
