"""What keeps strangers, other sites and former members out, and streams complete."""

from tests.mutants.mutant import Mutant

_GATEWAY = "services/gateway/src/steptrail_gateway"
_STREAM = "services/gateway/tests/http/test_stream.py"
_SESSION = "services/gateway/tests/http/test_session.py"
_PEOPLE = "services/gateway/tests/http/test_people.py"
_STORES = "services/gateway/tests/contract/test_stores.py"
_FORGERY = "tests/security/test_web_forgery.py"
_SIGN_IN = "tests/security/test_web_sign_in.py"
_ROUTES = "tests/security/test_web_routes.py"
_INPUTS = "tests/security/test_web_inputs.py"

MUTANTS = (
    Mutant(
        "a watcher that comes back gets what it missed (replay)",
        f"{_GATEWAY}/entrypoints/replay.py",
        "        if last_event_id is None:\n",
        "        if True:\n",
        (f"{_STREAM}::test_reconnect_gets_what_was_missed_and_goes_on_live",),
    ),
    Mutant(
        "a watcher whose place is gone is told to read again (reset)",
        f"{_GATEWAY}/entrypoints/replay.py",
        "            if not await self._known(after):\n",
        "            if False:\n",
        (f"{_STREAM}::test_unknown_or_forgotten_position_is_a_reset",),
    ),
    Mutant(
        "what was replayed does not come twice",
        f"{_GATEWAY}/entrypoints/hub.py",
        "            elif not self._already or frame.key not in self._already:\n",
        "            else:\n",
        ("services/gateway/tests/unit/test_hub.py::test_replayed_events_do_not_come_twice",),
    ),
    Mutant(
        "holes in a stream are filled from the log",
        f"{_GATEWAY}/entrypoints/feed.py",
        "                await self._fill(gap)\n",
        "                pass\n",
        ("services/gateway/tests/unit/test_feed.py",),
    ),
    Mutant(
        "the beginning of a run that comes late is fetched",
        f"{_GATEWAY}/entrypoints/feed.py",
        "        after = 0 if gap.after is None and self._heard_beginning(gap.run_id) else gap.after\n",
        "        after = gap.after\n",
        ("services/gateway/tests/unit/test_feed.py",),
    ),
    Mutant(
        "a watcher that does not read is left",
        f"{_GATEWAY}/entrypoints/hub.py",
        "        if len(self._pending) >= self._max_pending:\n",
        "        if False:\n",
        ("services/gateway/tests/unit/test_hub.py::test_slow_client_is_ended_and_others_do_not_notice",),
    ),
    Mutant(
        "a stream ends with the right to it",
        f"{_GATEWAY}/entrypoints/upkeep.py",
        "        self._hub.close_of(ended)\n",
        "",
        (f"{_STREAM}::test_revoked_sign_in_is_noticed_by_the_recheck",),
    ),
    Mutant(
        "a cookie changes nothing without our page's header (CSRF)",
        f"{_GATEWAY}/domain/origin.py",
        '    if header != "1":\n',
        "    if False:\n",
        (f"{_FORGERY}::test_cookie_alone_changes_nothing",),
    ),
    Mutant(
        "another site's request is refused (origin)",
        f"{_GATEWAY}/domain/origin.py",
        "    if origin is not None and _canonical(origin) != _canonical(own_origin):\n",
        "    if False:\n",
        (_FORGERY,),
    ),
    Mutant(
        "another site's request is refused (Sec-Fetch-Site)",
        f"{_GATEWAY}/domain/origin.py",
        '    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "none"):\n',
        "    if False:\n",
        (_FORGERY,),
    ),
    Mutant(
        "sign-ins are throttled",
        f"{_GATEWAY}/domain/throttle.py",
        "        if entry.count > limits[entry.subject]\n",
        "        if False\n",
        (f"{_SIGN_IN}::test_account_is_guarded_from_many_addresses",),
    ),
    Mutant(
        "each guess is counted, also in parallel",
        f"{_GATEWAY}/adapters/sql/credentials.py",
        '                            "count": sa.case((over, 1), else_=attempts.c.count + 1),\n',
        '                            "count": sa.case((over, 1), else_=attempts.c.count),\n',
        (f"{_SIGN_IN}::test_parallel_guesses_are_counted_one_by_one",),
    ),
    Mutant(
        "the right password is asked for",
        f"{_GATEWAY}/handlers/sign_in.py",
        "    if user is None or stored is None or not right:\n",
        "    if user is None or stored is None:\n",
        (f"{_SESSION}::test_wrong_password_and_unknown_user_look_the_same",),
    ),
    Mutant(
        "a session ends with disuse and age",
        f"{_GATEWAY}/domain/people.py",
        "    return now >= session.expires_at or now - session.last_seen_at >= limits.idle\n",
        "    return False\n",
        (f"{_SESSION}::test_session_ends_when_idle",),
    ),
    Mutant(
        "signing in replaces the session",
        f"{_GATEWAY}/adapters/sql/credentials.py",
        "            if replaces is not None:\n",
        "            if False:\n",
        (f"{_SESSION}::test_sign_in_rotates_the_session",),
    ),
    Mutant(
        "a new password ends all other sessions",
        f"{_GATEWAY}/handlers/accounts.py",
        "end_sessions=True, keep=caller.credential_id",
        "end_sessions=False, keep=caller.credential_id",
        (f"{_SESSION}::test_password_change_ends_all_other_sessions",),
    ),
    Mutant(
        "who is not active any more is nobody",
        f"{_GATEWAY}/adapters/sql/credentials.py",
        ".where(condition, users.c.active.is_(True))",
        ".where(condition)",
        (f"{_STORES}::test_session_lives_with_its_active_user",),
    ),
    Mutant(
        "a sign-in link works once",
        f"{_GATEWAY}/adapters/sql/credentials.py",
        "(codes.c.code_hash == code_hash) & codes.c.used_at.is_(None) & (codes.c.expires_at > at)",
        "(codes.c.code_hash == code_hash) & (codes.c.expires_at > at)",
        (f"{_SESSION}::test_link_signs_in_once",),
    ),
    Mutant(
        "every route needs its role",
        f"{_GATEWAY}/domain/permissions.py",
        "    return rank(role) >= rank(LOWEST_ROLE[permission])\n",
        "    return True\n",
        (f"{_ROUTES}::test_every_route_asks_for_its_role",),
    ),
    Mutant(
        "a token has no more than its owner",
        f"{_GATEWAY}/domain/people.py",
        "    role = lower(token.role, user.role)\n",
        "    role = token.role\n",
        (f"{_PEOPLE}::test_token_never_has_more_than_its_owner",),
    ),
    Mutant(
        "the ids of others are 404",
        f"{_GATEWAY}/adapters/sql/credentials.py",
        "        same = (tokens.c.user_id == user_id) & (tokens.c.token_id == token_id)\n",
        "        same = tokens.c.token_id == token_id\n",
        (f"{_PEOPLE}::test_tokens_of_others_look_unknown",),
    ),
    Mutant(
        "an idempotency key belongs to a person",
        f"{_GATEWAY}/handlers/relay.py",
        'sha256(f"{caller.user_id}\\n{key}".encode())',
        "sha256(key.encode())",
        ("services/gateway/tests/http/test_relay.py::test_idempotency_key_belongs_to_a_person",),
    ),
    Mutant(
        "our services answer our services only",
        "libs/common/src/steptrail_common/web/guard.py",
        "            if not hmac.compare_digest(given, self._expected):\n",
        "            if False:\n",
        ("services/reporting/tests/test_service.py::test_only_our_services_are_answered",),
    ),
    Mutant(
        "a body has a limit",
        "libs/common/src/steptrail_common/web/guard.py",
        "            if taken > self._max_body_bytes:\n",
        "            if False:\n",
        (f"{_INPUTS}::test_large_bodies_are_refused_before_they_are_read",),
    ),
    Mutant(
        "the audit log only grows (PostgreSQL)",
        f"{_GATEWAY}/adapters/migrations/versions/0001_accounts_and_audit.py",
        "        \"$$ BEGIN RAISE EXCEPTION 'the audit log can only grow'; END $$\"\n",
        '        "$$ BEGIN RETURN NULL; END $$"\n',
        (f"{_STORES}::test_database_refuses_to_change_the_audit_log",),
    ),
    Mutant(
        "the audit log only grows (SQLite)",
        f"{_GATEWAY}/adapters/migrations/versions/0001_accounts_and_audit.py",
        "            \"BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END\"\n",
        '            "BEGIN SELECT 1; END"\n',
        (f"{_STORES}::test_database_refuses_to_change_the_audit_log",),
    ),
    Mutant(
        "a line of the audit log hangs on the one before",
        f"{_GATEWAY}/domain/audit.py",
        '    return sha256(f"{previous}\\n{text}".encode()).hexdigest()\n',
        "    return sha256(text.encode()).hexdigest()\n",
        ("services/gateway/tests/unit/test_domain.py",),
    ),
    Mutant(
        "evidence is saved, not shown",
        f"{_GATEWAY}/entrypoints/http/runs.py",
        '            "Content-Disposition": f\'attachment; filename="{segment(evidence_id)}"\',\n',
        "",
        ("services/gateway/tests/http/test_relay.py::test_evidence_is_saved_not_shown",),
    ),
    Mutant(
        "no script but our own (Content-Security-Policy)",
        f"{_GATEWAY}/entrypoints/http/headers.py",
        '    "Content-Security-Policy": CONTENT_SECURITY_POLICY,\n',
        "",
        (f"{_INPUTS}::test_every_answer_carries_the_security_headers",),
    ),
    Mutant(
        "the account guest is refused on a broker elsewhere",
        "libs/common/src/steptrail_common/bus/rabbitlink.py",
        '    if (url.user or "guest") == "guest" and not _is_local(url.host):\n',
        "    if False:\n",
        ("libs/common/tests/unit/test_bus_address.py::test_guest_is_refused_on_a_broker_that_is_not_local",),
    ),
)
