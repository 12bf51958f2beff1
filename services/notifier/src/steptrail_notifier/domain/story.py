"""What is said of an incident to the outside: its events."""

from datetime import datetime

from steptrail_common.contracts.events import CloudEvent, envelope
from steptrail_common.contracts.incidents import IncidentEvent

from steptrail_notifier.domain.incidents import Incident, Line, What


def events_of(incident: Incident, process_ids: list[str]) -> list[CloudEvent]:
    """One for each new line, all with how the incident stands after the last of them."""
    return [_event(incident, line, process_ids) for line in incident.lines]


def cloud_event(incident: Incident, what: What, process_ids: list[str]) -> CloudEvent:
    """The event of the newest line of a kind; of one written before, with what is known now."""
    line = next((line for line in reversed(incident.lines) if line.what == what), None)
    return _event(incident, line or Line(incident.number, _moment(incident, what), what), process_ids)


def _moment(incident: Incident, what: What) -> datetime:
    return incident.opened_at if what == "opened" else incident.last_seen_at


def _event(incident: Incident, line: Line, process_ids: list[str]) -> CloudEvent:
    told = IncidentEvent.model_validate(
        {
            "incident_id": incident.incident_id,
            "number": line.number,
            "at": line.at,
            "type": f"incident.{line.what}",
            "state": incident.state,
            "title": incident.title,
            "kind": incident.kind,
            "status": incident.status,
            "failure_class": incident.failure_class,
            "reason": incident.reason,
            "message": incident.message,
            "first_aid": incident.first_aid,
            "target": incident.target,
            "process_ids": process_ids,
            "keys_open": incident.keys_open,
            "runs": incident.runs,
            "opened_at": incident.opened_at,
            "run_id": incident.last_run_id,
            "process_id": incident.last_process_id,
            "key": incident.last_key or None,
            "by": line.by,
            "note": line.note,
        }
    )
    return envelope(
        told.type,
        told,
        source="notifier",
        identity=(told.incident_id, told.number),
        at=line.at,
        subject=told.incident_id,
    )
