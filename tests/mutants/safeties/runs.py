"""What keeps runs right: acceptance, deadlines, the sweeper, the database's own guards."""

from tests.mutants.mutant import Mutant

_ORCHESTRATOR = "services/orchestrator/src/steptrail_orchestrator"
_DECISIONS = f"{_ORCHESTRATOR}/domain/decisions.py"
_STORE = f"{_ORCHESTRATOR}/adapters/sql/store.py"
_BEGINNING = f"{_ORCHESTRATOR}/adapters/sql/beginning.py"
_WRITING = f"{_ORCHESTRATOR}/adapters/sql/writing.py"
_STATEMENTS = f"{_ORCHESTRATOR}/adapters/sql/statements.py"
_MIGRATION = f"{_ORCHESTRATOR}/adapters/migrations/versions/0001_runs.py"
_CONTRACT = "services/orchestrator/tests/contract/test_run_store.py"
_FORESIGHT = "services/orchestrator/tests/contract/test_foresight.py"
_KEEPING = "services/orchestrator/tests/integration/test_keeping.py"
_MONTHS = "services/orchestrator/tests/contract/test_run_keeping.py"
_WALKING = "services/orchestrator/tests/integration/test_walking.py"
_TICKER = "services/orchestrator/tests/unit/test_ticker.py"
_WALK = "services/orchestrator/tests/unit/test_walk.py"

MUTANTS = (
    Mutant(
        "an answer needs its attempt's token",
        _DECISIONS,
        "    if attempt.token != result.token:\n",
        "    if False:\n",
        (f"{_CONTRACT}::test_a_wrong_token_changes_nothing_and_is_kept",),
    ),
    Mutant(
        "an answer needs an open attempt",
        _DECISIONS,
        "    if attempt is None or (attempt.step_id, attempt.attempt) != (result.step_id, result.attempt):\n",
        "    if attempt is None:\n",
        (f"{_CONTRACT}::test_an_answer_for_something_else_than_the_open_attempt_changes_nothing",),
    ),
    Mutant(
        "fencing in PostgreSQL: only an open attempt can end",
        _STATEMENTS,
        "            AND attempts.token = e.token AND attempts.ended_at IS NULL\n",
        "            AND attempts.token = e.token\n",
        (f"{_CONTRACT}::test_the_database_takes_no_second_end_of_an_attempt",),
    ),
    Mutant(
        "fencing in PostgreSQL: only with the attempt's token",
        _STATEMENTS,
        "            AND attempts.token = e.token AND attempts.ended_at IS NULL\n",
        "            AND attempts.ended_at IS NULL\n",
        (f"{_CONTRACT}::test_the_database_takes_no_end_with_another_token",),
    ),
    Mutant(
        "fencing in SQLite: only an open attempt can end",
        _WRITING,
        "            attempts.c.ended_at.is_(None),\n",
        "",
        (f"{_CONTRACT}::test_the_database_takes_no_second_end_of_an_attempt",),
    ),
    Mutant(
        "fencing in SQLite: only with the attempt's token",
        _WRITING,
        '            attempts.c.token == sa.bindparam("b_token"),\n',
        '            sa.bindparam("b_token").is_not(None),\n',
        (f"{_CONTRACT}::test_the_database_takes_no_end_with_another_token",),
    ),
    Mutant(
        "what the fence refused is rolled back",
        _WRITING,
        "    if accepted != len(changes.ended):\n",
        "    if False:\n",
        (f"{_CONTRACT}::test_the_database_takes_no_second_end_of_an_attempt",),
    ),
    Mutant(
        "a message counts once (inbox)",
        f"{_ORCHESTRATOR}/handlers/walking.py",
        "            if dedup_id not in scene.fresh:\n",
        "            if False:\n",
        (f"{_CONTRACT}::test_a_message_that_comes_twice_is_taken_once",),
    ),
    Mutant(
        "what was handled is remembered (inbox)",
        "libs/common/src/steptrail_common/inbox.py",
        "    return set((await connection.execute(statement.returning(table.c.dedup_id))).scalars())\n",
        "    await connection.execute(statement)\n    return set(ids)\n",
        (f"{_CONTRACT}::test_a_repeated_message_is_known_by_its_dedup_id",),
    ),
    Mutant(
        "a run that is decided upon is locked",
        f"{_ORCHESTRATOR}/adapters/sql/postgresql.py",
        "runs.* FROM runs WHERE run_id = given.id FOR UPDATE) AS r\n",
        "runs.* FROM runs WHERE run_id = given.id OFFSET 0) AS r\n",
        (f"{_CONTRACT}::test_cancel_and_an_answer_at_the_same_moment_agree",),
    ),
    Mutant(
        "two sweepers take different runs",
        _STORE,
        "                .limit(limit)\n                .with_for_update(skip_locked=True)\n            )\n            found",
        "                .limit(limit)\n            )\n            found",
        (f"{_CONTRACT}::test_a_sweeper_passes_over_what_another_decides_upon",),
    ),
    Mutant(
        "what is due is looked at (sweeper)",
        f"{_ORCHESTRATOR}/handlers/walking.py",
        "    decided = await store.decide_due(decision, empty_queues=empty_queues, limit=SWEEP_RUNS)\n",
        "    return 0\n",
        (f"{_WALKING}::test_a_run_ends_at_its_own_deadline",),
    ),
    Mutant(
        "a lease that ended makes its attempt lost",
        _DECISIONS,
        "        if attempt.lease_until <= now:\n",
        "        if False:\n",
        (f"{_WALK}::test_a_lost_worker_costs_an_attempt_and_then_the_step",),
    ),
    Mutant(
        "a lease never outlives timeout and grace",
        _STORE,
        '"lease_until": earlier(connection, renewed, hard)}',
        '"lease_until": renewed}',
        (f"{_CONTRACT}::test_a_lease_is_renewed_but_never_beyond_timeout_and_grace",),
    ),
    Mutant(
        "a run ends at its deadline",
        _DECISIONS,
        "    if now >= walk.run.deadline_at:\n",
        "    if False:\n",
        (f"{_WALK}::test_a_run_ends_at_its_deadline_whatever_it_waits_for",),
    ),
    Mutant(
        "a step nobody takes is given up",
        _DECISIONS,
        "        if now >= later(unheard_from, limits.pickup_seconds):\n            _give_up",
        "        if False:\n            _give_up",
        (f"{_WALK}::test_a_step_that_nobody_takes_is_given_up",),
    ),
    Mutant(
        "a run that nothing moves is moved on (orphans)",
        f"{_ORCHESTRATOR}/handlers/walking.py",
        "    decided = await store.decide_orphans(decision, limit=SWEEP_RUNS)\n",
        "    return 0\n",
        (f"{_WALKING}::test_a_run_that_lost_its_attempt_is_found_and_moved_on",),
    ),
    Mutant(
        "a message that was lost is sent again",
        _DECISIONS,
        "    if empty_seconds >= TAKEN_SECONDS and now >= later(sent_at, max(limits.republish_seconds, empty_seconds)):\n",
        "    if False:\n",
        (f"{_WALK}::test_a_request_that_was_lost_is_sent_again",),
    ),
    Mutant(
        "a request that is taken this moment is not sent again",
        _DECISIONS,
        "    if empty_seconds >= TAKEN_SECONDS and now",
        "    if check_type in world.empty_queues and now",
        (f"{_WALK}::test_a_request_that_waited_long_and_is_taken_this_moment_is_not_lost",),
    ),
    Mutant(
        "a queue that was empty at one look is looked at again",
        "services/orchestrator/src/steptrail_orchestrator/entrypoints/ticker.py",
        "began - self._looked_at if kind in self._empty else 0.0",
        "began - self._looked_at",
        (f"{_TICKER}::test_a_queue_is_known_to_be_empty_only_after_two_looks",),
    ),
    Mutant(
        "final is final (trigger in PostgreSQL)",
        _MIGRATION,
        "            f\" WHEN ({condition.replace('<>', 'IS DISTINCT FROM')}) EXECUTE",
        "            f\" WHEN (false AND ({condition.replace('<>', 'IS DISTINCT FROM')})) EXECUTE",
        (f"{_CONTRACT}::test_final_is_final_in_the_database",),
    ),
    Mutant(
        "what was told stays as it was (triggers of the monthly tables)",
        f"{_ORCHESTRATOR}/adapters/migrations/versions/0005_months.py",
        "FOR EACH ROW WHEN ({_GUARDS[table]})",
        "FOR EACH ROW WHEN (false AND ({_GUARDS[table]}))",
        (f"{_CONTRACT}::test_final_is_final_in_the_database",),
    ),
    Mutant(
        "final is final (trigger in SQLite)",
        _MIGRATION,
        "            f\" WHEN ({condition.replace('<>', 'IS NOT')}) BEGIN",
        "            f\" WHEN (false AND ({condition.replace('<>', 'IS NOT')})) BEGIN",
        (f"{_CONTRACT}::test_final_is_final_in_the_database",),
    ),
    Mutant(
        "an open run has a deadline (check in the database)",
        _MIGRATION,
        '        sa.CheckConstraint("(ended_at IS NULL) = (wake_at IS NOT NULL)", name="ck_runs_open_has_deadline"),\n',
        "",
        (f"{_CONTRACT}::test_an_open_run_always_has_a_deadline",),
    ),
    Mutant(
        "the same key makes one run",
        _BEGINNING,
        "    return {run_id: key for key, run_id in keyed if run_id not in mine}\n",
        "    return {}\n",
        (f"{_CONTRACT}::test_the_same_key_makes_one_run",),
    ),
    Mutant(
        "the same key with another request is refused",
        _BEGINNING,
        "    if row.digest != key.digest:\n",
        "    if False:\n",
        (f"{_CONTRACT}::test_the_same_key_makes_one_run",),
    ),
    Mutant(
        "a request that breaks its shared transaction spoils no other",
        "libs/common/src/steptrail_common/grouping.py",
        "            if len(items) == 1:\n                return [error]\n",
        "            return [error] * len(items)\n",
        ("libs/common/tests/unit/test_grouping.py::test_one_that_is_refused_or_breaks_spoils_no_other",),
    ),
    Mutant(
        "no step starts after a cancel",
        _DECISIONS,
        '    _skip_rest(walk, now, "the run was cancelled")\n    walk.finish(now, RunStatus.CANCELLED)\n',
        "    walk.proceed(now)\n",
        (f"{_WALKING}::test_a_run_can_be_cancelled_without_a_worker",),
    ),
    Mutant(
        "no more under way than a limit allows",
        f"{_ORCHESTRATOR}/domain/turns.py",
        "        return held < wanted.places and self._ahead_of(wanted) < wanted.places - held\n",
        "        return self._ahead_of(wanted) < wanted.places\n",
        (
            "services/orchestrator/tests/integration/test_turns.py::test_no_more_steps_are_under_way_than_a_process_allows",
        ),
    ),
    Mutant(
        "steps kept in memory are used only while nobody moved the run",
        f"{_ORCHESTRATOR}/adapters/sql/store.py",
        "if it is not None and it.run.seq == seqs[run_id]}\n",
        "if it is not None}\n",
        (f"{_CONTRACT}::test_a_run_that_another_replica_moved_is_read_again",),
    ),
    Mutant(
        "a run that nobody listens for any more is woken",
        f"{_ORCHESTRATOR}/adapters/sql/listeners.py",
        "        elif silent:\n",
        "        elif False:\n",
        (f"{_CONTRACT}::test_a_run_that_somebody_listens_for_is_woken_when_nobody_does_any_more",),
    ),
    Mutant(
        "a replica that starts wakes what nobody listens for",
        f"{_ORCHESTRATOR}/adapters/sql/listeners.py",
        "        if silent is None:\n",
        "        if False:\n",
        (f"{_CONTRACT}::test_a_replica_that_starts_wakes_what_nobody_listens_for",),
    ),
    Mutant(
        "a decision from memory ends no attempt that is over",
        _STATEMENTS,
        "(SELECT count(*) FROM ended) <> $5::int8 THEN 0",
        "(SELECT count(*) FROM ended) < 0 AND $5::int8 > 0 THEN 0",
        (f"{_FORESIGHT}::test_an_attempt_that_was_ended_under_the_same_number_of_events_is_not_ended_again",),
    ),
    Mutant(
        "a message that was handled is not handled from memory",
        _STATEMENTS,
        "AS m(id) WHERE (SELECT unmoved FROM guard)\n",
        "AS m(id) WHERE (SELECT unmoved FROM guard) ON CONFLICT DO NOTHING\n",
        (f"{_FORESIGHT}::test_a_message_that_was_handled_is_not_handled_from_memory",),
    ),
    Mutant(
        "a decision from memory has the database's moment",
        _STATEMENTS,
        "MOST_APART_SECONDS = 1.0\n",
        "MOST_APART_SECONDS = 1_000_000.0\n",
        (f"{_FORESIGHT}::test_a_moment_that_is_not_the_databases_is_not_written",),
    ),
    Mutant(
        "what is decided from memory keeps what heartbeats told",
        _STATEMENTS,
        "started_at = coalesce(attempts.started_at, e.started_at)",
        "started_at = e.started_at",
        (f"{_FORESIGHT}::test_what_a_heartbeat_told_meanwhile_is_kept",),
    ),
    Mutant(
        "what is archived is not archived again with less",
        f"{_ORCHESTRATOR}/handlers/keeping.py",
        "        await keeping.note_archived(whole)\n",
        "        pass\n",
        (f"{_KEEPING}::test_a_run_that_is_half_forgotten_does_not_come_into_the_archive_again_with_less",),
    ),
    Mutant(
        "a run whose month was dropped is not archived empty",
        f"{_ORCHESTRATOR}/handlers/keeping.py",
        "    if not events:\n        return None\n",
        "",
        (f"{_MONTHS}::test_runs_whose_month_is_half_forgotten_are_not_archived_with_less",),
    ),
    Mutant(
        "after an outage nobody is given up before workers could be heard",
        _DECISIONS,
        "    seconds = min((world.now - attempt.dispatched_at).total_seconds(), world.heard_seconds)\n",
        "    seconds = (world.now - attempt.dispatched_at).total_seconds()\n",
        (f"{_WALK}::test_after_an_outage_nobody_is_given_up_before_workers_could_be_heard",),
    ),
)
