"""Between rows and what they stand for."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.contracts.model import format_duration
from steptrail_common.contracts.notifier import Delivery, RuleView, RuleWrite

from steptrail_notifier.adapters.schema import deliveries
from steptrail_notifier.domain.delivery import KEEP_TRYING
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule
from steptrail_notifier.ports import Channel, Claimed, NewDelivery, ProcessNote

_SHOWN = [deliveries.c[name] for name in Delivery.model_fields]


def shown_columns() -> list[Any]:
    """The columns of the delivery log."""
    return list(_SHOWN)


def channel_of(row: RowMapping) -> Channel:
    email = EmailSettings.model_validate_json(row["email"]) if row["email"] else None
    return Channel(**({name: row[name] for name in Channel.__slots__} | {"email": email}))


def channel_row(channel: Channel) -> dict[str, Any]:
    email = channel.email.model_dump_json() if channel.email else None
    return {name: getattr(channel, name) for name in Channel.__slots__} | {"email": email}


def rule_of(row: RowMapping) -> Rule:
    return Rule(
        rule_id=row["rule_id"],
        channel_id=row["channel_id"],
        on=frozenset(json.loads(row["moments"])),
        process_id=row["process_id"],
        category=row["category"],
        after_failures=row["after_failures"],
        remind_every_seconds=row["remind_every_seconds"],
    )


def rule_row(rule: RuleWrite) -> dict[str, Any]:
    """What people wrote; when the rule was made stays with the store."""
    return {
        "rule_id": rule.rule_id,
        "channel_id": rule.channel_id,
        "process_id": rule.process_id,
        "category": rule.category,
        "moments": json.dumps(list(dict.fromkeys(rule.on))),
        "after_failures": rule.after_failures,
        "remind_every_seconds": rule.remind_every,
        "active": rule.active,
    }


def rule_view(row: RowMapping) -> RuleView:
    remind = row["remind_every_seconds"]
    return RuleView(
        rule_id=row["rule_id"],
        channel_id=row["channel_id"],
        process_id=row["process_id"],
        category=row["category"],
        on=json.loads(row["moments"]),
        after_failures=row["after_failures"],
        remind_every=format_duration(remind) if remind is not None else None,
        active=row["active"],
        created_at=row["created_at"],
    )


def note_of(row: RowMapping) -> ProcessNote:
    rules = tuple(Rule(**{**told, "on": frozenset(told["on"])}) for told in json.loads(row["rules"]))
    return ProcessNote(row["process_id"], row["at"], row["category"], rules)


def note_row(note: ProcessNote) -> dict[str, Any]:
    rules = [{**{name: getattr(rule, name) for name in Rule.__slots__}, "on": sorted(rule.on)} for rule in note.rules]
    return {"process_id": note.process_id, "at": note.at, "category": note.category, "rules": json.dumps(rules)}


def outcome_of(row: RowMapping) -> Outcome:
    return Outcome(**{name: row[name] for name in Outcome.__slots__})


def outcome_row(outcome: Outcome, event: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: getattr(outcome, name) for name in Outcome.__slots__}, "event": json.dumps(event)}


def delivery_of(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.model_fields})


def delivery_row(delivery: NewDelivery, now: datetime) -> dict[str, Any]:
    """A row that is due now, or closed at once if it is refused."""
    return {
        "delivery_id": delivery.delivery_id,
        "channel_id": delivery.channel_id,
        "rule_id": delivery.rule_id,
        "run_id": delivery.run_id,
        "process_id": delivery.process_id,
        "incident_id": delivery.incident_id,
        "moment": delivery.moment,
        "body": delivery.body,
        "status": "undelivered" if delivery.refused else "pending",
        "tries": 0,
        "created_at": now,
        "give_up_at": now + KEEP_TRYING,
        "next_try_at": None if delivery.refused else now,
        "token": None,
        "last_error": delivery.refused,
    }


def claimed_of(row: RowMapping, channel: Channel | None) -> Claimed:
    return Claimed(
        delivery_id=row["delivery_id"],
        channel_id=row["channel_id"],
        channel=channel,
        body=row["body"],
        tries=row["tries"],
        give_up_at=row["give_up_at"],
        token=row["token"],
        owed=tuple(json.loads(row["owed"] or "[]")),
    )
