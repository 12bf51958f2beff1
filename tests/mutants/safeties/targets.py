"""What keeps checked databases and folders as they were, and secrets and evidence in order."""

from tests.mutants.mutant import Mutant

_DBPROBE = "services/dbprobe/src/steptrail_dbprobe"
_POSTGRESQL = "services/dbprobe/tests/contract/test_postgresql.py"
_SQLITE = "services/dbprobe/tests/contract/test_sqlite.py"
_DOCUMENTS = "libs/common/tests/unit/test_document_query.py"
_TSQL = "services/dbprobe/tests/unit/test_statements.py"
_POLITENESS = "libs/checks/tests/unit/test_politeness.py"
_CONNECTIONS = "services/catalog/tests/test_connections_api.py"
_INSPECTIONS = "services/orchestrator/tests/contract/test_inspection_store.py"
_FILES = "services/crawler/tests/contract/test_file_check.py"

MUTANTS = (
    Mutant(
        "an account that can write is asked nothing until somebody accepts it",
        "services/catalog/src/steptrail_catalog/queries.py",
        '    if unconfirmed := [*_not_accepted(one for one in found if one.settings["kind"] not in TRIED_BY)]:\n',
        "    if unconfirmed := list[str]():\n",
        (f"{_CONNECTIONS}::test_a_database_account_that_can_write_is_not_asked_until_that_was_accepted",),
    ),
    Mutant(
        "of all replicas one looks at the rights of an account",
        "services/orchestrator/src/steptrail_orchestrator/adapters/sql/inspections.py",
        "                where=sa.or_(c.version != version, c.next_at <= database_now()),\n",
        "                where=sa.true(),\n",
        (f"{_INSPECTIONS}::test_one_of_many_replicas_has_the_turn[sqlite]",),
    ),
    Mutant(
        "places at a target are shared by all workers (Redis)",
        "libs/checks/src/steptrail_checks/shared_places.py",
        ">= tonumber(ARGV[2]) then return 0 end\n",
        ">= 1000 then return 0 end\n",
        (f"{_POLITENESS}::test_workers_that_share_a_store_share_the_places[redis]",),
    ),
    Mutant(
        "places of a worker that died become free (MongoDB)",
        "libs/checks/src/steptrail_checks/shared_places.py",
        '        "cond": {"$gt": ["$$each.until", "$$NOW"]},\n',
        '        "cond": True,\n',
        (f"{_POLITENESS}::test_the_places_of_a_worker_that_died_are_free_after_their_lease[mongodb]",),
    ),
    Mutant(
        "PostgreSQL is asked in a read-only transaction",
        f"{_DBPROBE}/adapters/postgresql.py",
        "\nBEGIN READ ONLY;\n",
        "\nBEGIN READ WRITE;\n",
        (f"{_POSTGRESQL}::test_nothing_is_written_even_by_an_account_that_could[select sneaky()]",),
    ),
    Mutant(
        "a PostgreSQL query ends on the server as well",
        f"{_DBPROBE}/adapters/postgresql.py",
        '                "statement_timeout": milliseconds,\n',
        "",
        (f"{_POSTGRESQL}::test_the_connection_is_read_only_and_named",),
    ),
    Mutant(
        "an account no transaction holds back is refused (PostgreSQL)",
        f"{_DBPROBE}/adapters/postgresql.py",
        "                if not safe and not self._allow_superuser:\n",
        "                if False:\n",
        (f"{_POSTGRESQL}::test_an_account_no_transaction_holds_back_is_refused",),
    ),
    Mutant(
        "one statement (SQL Server, whose protocol takes several)",
        f"{_DBPROBE}/domain/statements.py",
        '    return "a second statement" if ";" in bare.rstrip().rstrip(";") else None\n',
        "    return None\n",
        (f"{_TSQL}::test_words_that_one_select_does_not_need_are_found",),
    ),
    Mutant(
        "a select that writes is not asked (SQL Server)",
        f"{_DBPROBE}/domain/statements.py",
        "    found = _TSQL_WRITES.search(bare)\n",
        "    found = None\n",
        (f"{_TSQL}::test_words_that_one_select_does_not_need_are_found",),
    ),
    Mutant(
        "what does not begin like a question is not asked (MariaDB)",
        f"{_DBPROBE}/adapters/mysql.py",
        "            if not asks(text):\n",
        "            if False:\n",
        (
            "services/dbprobe/tests/contract/test_every_engine.py::test_nothing_is_written_even_by_an_account_that_could",
        ),
    ),
    Mutant(
        "MongoDB runs no program and writes no collection",
        "libs/common/src/steptrail_common/contracts/checks/document_query.py",
        "    if key in FORBIDDEN:\n",
        "    if False:\n",
        (f"{_DOCUMENTS}::test_what_runs_programs_or_writes_is_refused_at_any_depth",),
    ),
    Mutant(
        "MongoDB runs only stages that read",
        "libs/common/src/steptrail_common/contracts/checks/document_query.py",
        "            if len(stage) != 1 or not stage.keys() <= STAGES:\n",
        "            if len(stage) != 1:\n",
        (f"{_DOCUMENTS}::test_stages_that_do_not_just_read_collections_are_refused[$collStats]",),
    ),
    Mutant(
        "SQLite statements are judged by an authorizer",
        f"{_DBPROBE}/adapters/sqlite.py",
        "    database.set_authorizer(_authorized)\n",
        "",
        (f"{_SQLITE}::test_nothing_is_written_and_nothing_else_is_opened",),
    ),
    Mutant(
        "SQLite files lie below allowed folders",
        f"{_DBPROBE}/adapters/sqlite.py",
        "        if not any(path.is_relative_to(root) for root in self._roots):\n",
        "        if False:\n",
        (f"{_SQLITE}::test_files_elsewhere_are_not_opened",),
    ),
    Mutant(
        "a probe takes so many rows and no more",
        f"{_DBPROBE}/domain/rows.py",
        "            if len(self.rows) == self.limit:\n",
        "            if False:\n",
        (f"{_POSTGRESQL}::test_a_result_beyond_the_limits_is_not_cut_but_refused",),
    ),
    Mutant(
        "a probe takes so many bytes and no more",
        f"{_DBPROBE}/domain/rows.py",
        "            if self.size_bytes > MAX_BYTES:\n",
        "            if False:\n",
        (f"{_POSTGRESQL}::test_a_result_beyond_the_limits_is_not_cut_but_refused",),
    ),
    Mutant(
        "links do not lead out of a folder",
        "services/crawler/src/steptrail_crawler/adapters/local_files.py",
        "            if not _below(real, self._root):\n                return None\n",
        "",
        (f"{_FILES}::test_symbolic_links_never_leave_the_folder",),
    ),
    Mutant(
        "paths do not lead out of a folder",
        "services/crawler/src/steptrail_crawler/adapters/local_files.py",
        "        if not _below(real, self._root):\n            raise denied",
        "        if False:\n            raise denied",
        (f"{_FILES}::test_symbolic_links_never_leave_the_folder",),
    ),
    Mutant(
        "folders lie below allowed ones",
        "services/crawler/src/steptrail_crawler/adapters/local_files.py",
        '        if not os.path.isabs(root) or "\\x00" in root or not any(_below(self._root, path) for path in roots):\n',
        "        if False:\n",
        (f"{_FILES}::test_connections_point_only_below_allowed_folders",),
    ),
    Mutant(
        "XML with a document type is refused",
        "libs/checks/src/steptrail_checks/documents.py",
        "    if root.getroottree().docinfo.internalDTD is not None:\n",
        "    if False:\n",
        ("services/crawler/tests/contract/test_api_features.py::test_hostile_xml_fails_the_step",),
    ),
    Mutant(
        "secret values are hidden in evidence and messages",
        "libs/checks/src/steptrail_checks/masking.py",
        "                text = text.replace(secret, MASK)\n",
        "                pass\n",
        ("libs/checks/tests/unit/test_worker.py::test_no_secret_leaves_the_worker",),
    ),
    Mutant(
        "values of hidden keys are hidden in evidence",
        "libs/checks/src/steptrail_checks/masking.py",
        "        return MASK if key.lower() in self.keys and value is not None else self.json(value)\n",
        "        return self.json(value)\n",
        (
            f"{_POSTGRESQL}::test_masked_columns_and_secrets_are_nowhere",
            "libs/checks/tests/unit/test_masking.py::test_keys_a_step_hides_are_hidden_in_any_body",
        ),
    ),
    Mutant(
        "sensitive headers are hidden in evidence",
        "libs/checks/src/steptrail_checks/masking.py",
        "        return MASK if hidden else self.text(value)\n",
        "        return self.text(value)\n",
        ("libs/checks/tests/unit/test_masking.py::test_sensitive_keys_and_headers_are_hidden_without_being_asked",),
    ),
    Mutant(
        "secrets under their usual names are not logged",
        "libs/common/src/steptrail_common/telemetry.py",
        "    if value is not None and _is_secret(key):\n",
        "    if False:\n",
        ("libs/common/tests/unit/test_telemetry.py::test_values_under_secret_looking_keys_are_not_logged",),
    ),
    Mutant(
        "damaged evidence is not shown",
        "libs/common/src/steptrail_common/evidence.py",
        "        if hashlib.sha256(body).hexdigest() != sha256:\n",
        "        if False:\n",
        ("libs/common/tests/unit/test_evidence.py::test_changed_evidence_is_not_shown",),
    ),
    Mutant(
        "a secret opens for its own target only",
        "libs/common/src/steptrail_common/sealing.py",
        "            if inside.get(name) != value:\n",
        "            if False:\n",
        ("libs/common/tests/unit/test_sealing.py::test_ciphertext_moved_elsewhere_is_refused",),
    ),
    Mutant(
        "a changed target asks for its secrets again",
        "services/catalog/src/steptrail_catalog/handlers.py",
        "    _refuse(_carried_away(present, given, kept))\n",
        "",
        ("services/catalog/tests/test_connections_api.py::test_a_changed_host_asks_for_the_secrets_again",),
    ),
    Mutant(
        "exported cells start no formula",
        "services/reporting/src/steptrail_reporting/domain/cells.py",
        '    plain = _FORMULA.sub(r"\\1\\2\'", _CONTROL.sub("\\ufffd", value))\n',
        '    plain = _CONTROL.sub("\\ufffd", value)\n',
        ("services/reporting/tests/unit/test_cells.py::test_no_cell_starts_a_formula",),
    ),
)
