"""What keeps messages, and everything made of them: bus, outbox, workers, schedules, reports, notifications."""

from tests.mutants.mutant import Mutant

_COMMON = "libs/common/src/steptrail_common"
_DISPATCH = f"{_COMMON}/bus/dispatch.py"
_OUTBOX = f"{_COMMON}/outbox.py"
_WORKER = "libs/checks/src/steptrail_checks/worker.py"
_SLOTS = "libs/checks/src/steptrail_checks/slots.py"
_REPORTING = "services/reporting/src/steptrail_reporting"
_NOTIFIER = "services/notifier/src/steptrail_notifier"
_SCHEDULES = "services/orchestrator/src/steptrail_orchestrator/adapters/sql/schedules.py"
_SCHEDULE_TESTS = "services/orchestrator/tests/integration/test_schedules.py"
_IN_PROCESS = "libs/common/tests/contract/test_bus_inprocess.py::TestInProcessBus"
_RABBIT = "libs/common/tests/contract/test_bus_rabbitmq.py::TestRabbitBus"
_OUTBOX_TESTS = "libs/common/tests/contract/test_outbox_and_inbox.py"
_WORKER_TESTS = "libs/checks/tests/unit/test_worker.py"
_SLOTS_TESTS = "libs/checks/tests/unit/test_slots.py"
_INCIDENT_TESTS = "services/notifier/tests/contract/test_incident_store.py"
_NOTIFIER_TESTS = "services/notifier/tests/contract/test_notifier_store.py"

MUTANTS = (
    Mutant(
        "a message is acknowledged after its handler returned (ack after commit)",
        _DISPATCH,
        "        try:\n            outcome = await self._outcome(batch)\n",
        "        try:\n            await self._settle(batch, Outcome.DONE)\n            outcome = await self._outcome(batch)\n",
        (
            f"{_IN_PROCESS}::test_a_message_is_acknowledged_only_after_its_handler_returned",
            f"{_RABBIT}::test_a_message_is_acknowledged_only_after_its_handler_returned",
        ),
    ),
    Mutant(
        "what was not handled is delivered again (RabbitMQ)",
        f"{_COMMON}/bus/rabbitconsumer.py",
        "requeue=outcome is Outcome.AGAIN",
        "requeue=False",
        (f"{_RABBIT}::test_what_raised_comes_again",),
    ),
    Mutant(
        "a poisonous message is parked after its limit",
        _DISPATCH,
        "        if arrival.earlier + 1 >= self._subscription.delivery_limit:\n",
        "        if False:\n",
        (f"{_IN_PROCESS}::test_what_always_raises_is_parked_after_the_limit",),
    ),
    Mutant(
        "a poisonous message parks no other",
        _DISPATCH,
        "        if outcome is Outcome.PARKED and len(batch) > 1:\n",
        "        if False:\n",
        (f"{_IN_PROCESS}::test_one_rejected_message_does_not_park_its_batch",),
    ),
    Mutant(
        "a message to a queue that is gone is noticed (mandatory)",
        f"{_COMMON}/bus/rabbitmq.py",
        "            mandatory=destination.queue is not None,\n",
        "            mandatory=False,\n",
        (f"{_RABBIT}::test_a_queue_is_declared_when_something_is_published_to_it",),
    ),
    Mutant(
        "a channel that closes stops nobody who waits for a confirm",
        f"{_COMMON}/bus/rabbitmq.py",
        "        if (task := asyncio.current_task()) is not None and task.cancelling():\n            raise\n",
        "        raise\n",
        ("libs/common/tests/unit/test_publishing.py",),
    ),
    Mutant(
        "a deleted queue is declared again",
        f"{_COMMON}/bus/rabbitconsumer.py",
        "            while not await self._is_lost():\n                pass\n",
        "            await asyncio.Event().wait()\n",
        ("libs/common/tests/contract/test_bus_rabbitmq.py::test_deleted_queues_come_back",),
    ),
    Mutant(
        "a connection that answers nothing is given up",
        f"{_COMMON}/bus/rabbitconsumer.py",
        "            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):\n                await channel.initialize()\n",
        "            await channel.initialize(timeout=CALL_TIMEOUT_SECONDS)\n",
        (
            "libs/common/tests/contract/test_bus_rabbitmq.py"
            "::test_a_subscription_on_a_connection_that_got_stuck_gets_another_one",
        ),
    ),
    Mutant(
        "a message leaves with its transaction only (outbox)",
        _OUTBOX,
        "    await connection.execute(\n        statement.values(created_at=database_now()), ",
        "    async with connection.engine.begin() as connection:\n     await connection.execute(\n"
        "        statement.values(created_at=database_now()), ",
        (f"{_OUTBOX_TESTS}::test_a_message_leaves_only_with_its_transaction",),
    ),
    Mutant(
        "what is committed is published (outbox relay)",
        _OUTBOX,
        "            await self._bus.publish([(_destination(row), _message(row)) for row in rows])\n",
        "            pass\n",
        (f"{_OUTBOX_TESTS}::test_a_message_arrives_as_it_was_written",),
    ),
    Mutant(
        "published before forgotten (PostgreSQL)",
        _OUTBOX,
        "            await self._publish(rows)\n        return len(rows)\n",
        "        await self._publish(rows)\n        return len(rows)\n",
        (f"{_OUTBOX_TESTS}::test_what_could_not_be_published_is_published_later",),
    ),
    Mutant(
        "published before forgotten (SQLite)",
        _OUTBOX,
        "        await self._publish(rows)\n        if rows:\n            async with writing(self._engine) as connection:\n"
        "                gone = [row.dedup_id for row in rows]\n"
        "                await connection.execute(sa.delete(table).where(_one_of(connection, table, gone)))\n",
        "        if rows:\n            async with writing(self._engine) as connection:\n"
        "                gone = [row.dedup_id for row in rows]\n"
        "                await connection.execute(sa.delete(table).where(_one_of(connection, table, gone)))\n"
        "        await self._publish(rows)\n",
        (f"{_OUTBOX_TESTS}::test_what_could_not_be_published_is_published_later",),
    ),
    Mutant(
        "what left from memory without a confirm leaves from the table",
        _OUTBOX,
        "        await self._bus.publish(entries)\n",
        "        with suppress(PublishFailed):\n            await self._bus.publish(entries)\n",
        (f"{_OUTBOX_TESTS}::test_what_was_handed_over_and_not_confirmed_leaves_from_the_table",),
    ),
    Mutant(
        "what a dead replica held in memory is found in the table",
        _OUTBOX,
        "                if self._all_wanted or self._behind or time.monotonic() >= poll_at:\n",
        "                if self._all_wanted or self._behind:\n",
        (f"{_OUTBOX_TESTS}::test_what_was_handed_over_to_a_relay_that_died_is_found",),
    ),
    Mutant(
        "what memory does not hold leaves from the table",
        _OUTBOX,
        "            self._behind = self._draining = True\n",
        "            return\n",
        (f"{_OUTBOX_TESTS}::test_more_than_memory_should_hold_is_read_from_the_table",),
    ),
    Mutant(
        "what left from memory does not leave from the table",
        _OUTBOX,
        "        await self._forget()\n        patience",
        "        patience",
        (f"{_OUTBOX_TESTS}::test_a_relay_that_falls_behind_publishes_each_row_once",),
    ),
    Mutant(
        "what is dropped while the table is read leaves soon",
        _OUTBOX,
        "await self._poll() + time.monotonic()",
        "time.monotonic() + await self._poll()",
        (f"{_OUTBOX_TESTS}::test_what_is_dropped_while_a_full_table_is_read_leaves_soon",),
    ),
    Mutant(
        "what is done acknowledges nothing that is not (RabbitMQ)",
        f"{_COMMON}/bus/rabbitacks.py",
        "        oldest = list(takewhile(handled.__contains__, self._unsettled))\n",
        "        oldest = list(self._unsettled)\n",
        ("libs/common/tests/contract/test_bus_rabbitmq.py::test_what_is_done_acknowledges_nothing_that_is_not",),
    ),
    Mutant(
        "who stops acknowledges what was handled (RabbitMQ)",
        f"{_COMMON}/bus/rabbitconsumer.py",
        "            await self._acknowledgements.send()\n",
        "            pass\n",
        ("libs/common/tests/contract/test_bus_rabbitmq.py::test_what_was_handled_at_the_end_comes_to_nobody_else",),
    ),
    Mutant(
        "a worker acknowledges after its results were confirmed",
        "libs/checks/src/steptrail_checks/results.py",
        "        await ready.confirmed\n",
        "",
        (f"{_WORKER_TESTS}::test_without_a_confirm_the_request_comes_again",),
    ),
    Mutant(
        "a worker acknowledges after a result alone was confirmed",
        "libs/checks/src/steptrail_checks/results.py",
        "            await self._confirmed(_message([(answer, headers)]))\n",
        "            self._sent = asyncio.create_task(self._confirmed(_message([(answer, headers)])))\n",
        (f"{_WORKER_TESTS}::test_without_a_confirm_the_request_comes_again",),
    ),
    Mutant(
        "a request delivered twice is checked once at a time",
        _WORKER,
        "        if request.token in self._ends:\n",
        "        if False:\n",
        (f"{_WORKER_TESTS}::test_a_repeated_request_joins_the_attempt_under_way",),
    ),
    Mutant(
        "a request that comes again is not checked again",
        _WORKER,
        "            answer = self._answers.find(request.token)\n",
        "            answer = None\n",
        (f"{_WORKER_TESTS}::test_a_request_that_comes_again_is_answered_again_without_another_look",),
    ),
    Mutant(
        "a request that comes again is answered, since its answer may be lost",
        _WORKER,
        "                telemetry.ANSWERED_AGAIN.inc()\n",
        "                telemetry.ANSWERED_AGAIN.inc()\n                return\n",
        (f"{_WORKER_TESTS}::test_a_request_that_comes_again_is_answered_again_without_another_look",),
    ),
    Mutant(
        "an answer to an attempt keeps away none to another of its number",
        "libs/checks/src/steptrail_checks/answers.py",
        "result.attempt, result.token)",
        'result.attempt, "")',
        (f"{_WORKER_TESTS}::test_an_answer_that_is_sent_again_has_the_identity_it_had",),
    ),
    Mutant(
        "a target holds no more slots than are left free for others (bulkhead)",
        _SLOTS,
        "        held, held_of = (0, 0) if target is None else (self._held[target], self._held_of[kind, target])\n",
        "        held, held_of = 0, 0\n",
        (f"{_SLOTS_TESTS}::test_a_target_that_hangs_keeps_no_other_waiting",),
    ),
    Mutant(
        "a crowd of one process keeps no other away from a target they share",
        _SLOTS,
        "key=lambda one: (self._held_by[str(one.key[1]), one.process], one.number)",
        "key=lambda one: one.number",
        (f"{_SLOTS_TESTS}::test_processes_take_turns_at_a_target_they_share",),
    ),
    Mutant(
        "a worker whose checks all wait for one target looks further in its queue",
        "libs/checks/src/steptrail_checks/reach.py",
        "        elif self._slots.stalled(kind) and ",
        "        elif False and ",
        (f"{_SLOTS_TESTS}::test_a_target_that_hangs_keeps_no_other_waiting",),
    ),
    Mutant(
        "leases are renewed while a check runs",
        _WORKER,
        "            requests, renewed_at = await self._next_beat(renewed_at)\n",
        "            await asyncio.Event().wait()\n",
        (f"{_WORKER_TESTS}::test_leases_are_announced_at_the_start_and_renewed",),
    ),
    Mutant(
        "a check ends at its hard limit",
        "libs/checks/src/steptrail_checks/attempt.py",
        "        done, _ = await asyncio.wait({task}, timeout=seconds)\n",
        "        done, _ = await asyncio.wait({task}, timeout=None)\n",
        (f"{_WORKER_TESTS}::test_a_check_that_hangs_ends_at_its_limit_even_if_it_resists",),
    ),
    Mutant(
        "workers reckon by the clock of the database",
        "libs/checks/src/steptrail_checks/attempt.py",
        "            now = request.issued_at + timedelta(seconds=time.monotonic() - received_monotonic)\n",
        '            now = __import__("datetime").datetime.now(request.issued_at.tzinfo)\n',
        (f"{_WORKER_TESTS}::test_ages_use_the_clock_of_the_database",),
    ),
    Mutant(
        "one run for a tick of a schedule",
        _SCHEDULES,
        "    return made.one_or_none() is not None\n",
        "    return True\n",
        (f"{_SCHEDULE_TESTS}::test_a_tick_that_is_due_again_starts_nothing",),
    ),
    Mutant(
        "missed ticks are recorded only with their event",
        _SCHEDULES,
        "            await outbox_rows.insert(connection, outbox, announced)\n",
        "        async with writing(self._engine) as connection:\n"
        "            await outbox_rows.insert(connection, outbox, announced)\n",
        (f"{_SCHEDULE_TESTS}::test_missed_ticks_that_are_not_recorded_are_not_told",),
    ),
    Mutant(
        "missed ticks are told only if they are recorded (PostgreSQL)",
        _SCHEDULES,
        "            await outbox_rows.insert(connection, outbox, announced)\n",
        "            async with writing(self._engine) as connection:\n"
        "                await outbox_rows.insert(connection, outbox, announced)\n",
        (f"{_SCHEDULE_TESTS}::test_missed_ticks_that_are_not_recorded_are_not_told[postgresql-at the commit]",),
    ),
    Mutant(
        "missed ticks are told again to who may have lost them (replay)",
        "services/orchestrator/src/steptrail_orchestrator/handlers/replaying.py",
        "        if not wanted.types or MISSED in wanted.types:\n",
        "        if False:\n",
        (f"{_SCHEDULE_TESTS}::test_missed_ticks_are_told_again_to_who_may_have_lost_them",),
    ),
    Mutant(
        "a consumer that may have lost messages asks for them (replay)",
        f"{_COMMON}/replays.py",
        '        """The queue was declared again: messages may be lost."""\n        self._wanted.set()\n',
        '        """The queue was declared again: messages may be lost."""\n',
        ("libs/common/tests/unit/test_replays.py::test_it_asks_at_the_start_and_again_when_told",),
    ),
    Mutant(
        "a page of a replay that was not confirmed goes again by itself",
        "services/orchestrator/src/steptrail_orchestrator/handlers/replaying.py",
        "    for pause in PAUSES_SECONDS:\n",
        "    for pause in PAUSES_SECONDS[:0]:\n",
        (
            "services/orchestrator/tests/integration/test_replays.py"
            "::test_a_page_that_was_not_confirmed_goes_again_by_itself",
        ),
    ),
    Mutant(
        "reports count an event once",
        f"{_REPORTING}/domain/facts.py",
        "    if not run.seen.add(event.seq):\n",
        "    if run.seen.add(event.seq) is None:\n",
        (
            "services/reporting/tests/contract/test_fact_store.py::test_any_order_of_events_gives_the_facts_of_a_recomputation",
        ),
    ),
    Mutant(
        "replicas of reporting wait for each other",
        f"{_REPORTING}/adapters/recording.py",
        ".order_by(processes.c.process_id).with_for_update())",
        ".order_by(processes.c.process_id))",
        (
            "services/reporting/tests/contract/test_fact_store.py::test_replicas_that_record_at_the_same_time_lose_nothing",
        ),
    ),
    Mutant(
        "two senders never take the same delivery",
        f"{_NOTIFIER}/adapters/sql.py",
        "            locked = _due(now, limit, per_channel, busy).with_for_update(skip_locked=True)\n",
        "            locked = _due(now, limit, per_channel, busy)\n",
        (f"{_NOTIFIER_TESTS}::test_replicas_never_claim_the_same_delivery",),
    ),
    Mutant(
        "a sender that lost its lease says nothing any more",
        f"{_NOTIFIER}/adapters/sql.py",
        "                .where(deliveries.c.delivery_id == claimed.delivery_id, deliveries.c.token == claimed.token)\n",
        "                .where(deliveries.c.delivery_id == claimed.delivery_id)\n",
        (f"{_NOTIFIER_TESTS}::test_a_dead_senders_delivery_is_due_again",),
    ),
    Mutant(
        "a delivery's id comes from run, rule and moment",
        f"{_NOTIFIER}/handlers/taking.py",
        '                delivery_id=dedup_id("delivery", notice.run_id, rule.rule_id, notice.moment),\n',
        '                delivery_id=dedup_id("delivery", __import__("uuid").uuid4()),\n',
        (f"{_NOTIFIER_TESTS}::test_a_rule_makes_one_delivery_however_often_the_event_comes",),
    ),
    Mutant(
        "an incident is over only when a run has passed the step",
        f"{_NOTIFIER}/domain/causes.py",
        "    return stands in (None, StepStatus.SUCCESS, StepStatus.WARNING)\n",
        "    return True\n",
        (f"{_INCIDENT_TESTS}::test_it_is_over_when_every_key_has_passed",),
    ),
    Mutant(
        "an old run of a key says nothing about what failed after it",
        f"{_NOTIFIER}/domain/incidents.py",
        "        return (outcome.ended_at, outcome.run_id) > (self.last_seen_at, self.last_run_id)\n",
        "        return True\n",
        (f"{_INCIDENT_TESTS}::test_order_repetition_and_replicas_change_nothing",),
    ),
    Mutant(
        "replicas open one incident for a cause",
        f"{_NOTIFIER}/adapters/casework.py",
        "        return theirs[0] if theirs else await self._begun(seed)\n",
        "        return seed\n",
        (f"{_INCIDENT_TESTS}::test_replicas_open_one_incident_for_a_cause",),
    ),
    Mutant(
        "an acknowledged incident reminds nobody",
        f"{_NOTIFIER}/handlers/telling.py",
        "        if incident.acknowledged_at is None and (incident.resolved_at is None or _just_opened(incident))\n",
        "        if True\n",
        (f"{_INCIDENT_TESTS}::test_an_acknowledged_incident_is_silent",),
    ),
    Mutant(
        "a notification that is not taken is tried again",
        f"{_NOTIFIER}/domain/delivery.py",
        "    if attempt.permanent or due > give_up_at:\n",
        "    if True:\n",
        ("services/notifier/tests/unit/test_delivery.py::test_a_dead_receiver_is_given_up_after_a_day",),
    ),
    Mutant(
        "of two savers of a definition one is told (MongoDB)",
        "services/catalog/src/steptrail_catalog/adapters/mongo/processes.py",
        "        if done.matched_count == 0:\n",
        "        if False:\n",
        ("services/catalog/tests/contract/test_process_store.py::test_of_savers_at_the_same_moment_one_wins",),
    ),
)
