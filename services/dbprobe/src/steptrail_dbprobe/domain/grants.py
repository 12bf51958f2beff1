"""What an account may do, judged from what its server says of it: green, amber, red."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from steptrail_common.contracts.catalog import ConnectionRights

Level = Literal["read_only", "can_write", "superuser"]


@dataclass(frozen=True)
class Rights:
    """`detail` continues the sentence `The account …`."""

    level: Level
    detail: str

    def told(self, at: datetime) -> ConnectionRights:
        ending = {
            "read_only": "",
            "can_write": "; checks run read-only, but the account is the real guard",
            "superuser": ": give Steptrail one that can only read",
        }
        return ConnectionRights(
            level=self.level, detail=f"The account {self.detail}{ending[self.level]}", checked_at=at
        )


READS = Rights("read_only", "can only read")


def red(detail: str) -> Rights:
    return Rights("superuser", detail)


def amber(detail: str) -> Rights:
    return Rights("can_write", detail)


# --- MySQL and MariaDB -----------------------------------------------------------------------------------------------

_GRANT = re.compile(r"GRANT (?P<what>.*?) ON (?P<where>\S+|`[^`]*`\.\S+) TO ", re.IGNORECASE | re.DOTALL)
_ROLE = re.compile(r"GRANT (?!.* ON )(?P<roles>.*?) TO ", re.IGNORECASE | re.DOTALL)
_COLUMNS = re.compile(r"\([^)]*\)")
_MYSQL_READS = frozenset(
    {"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR"}
    | {"SLAVE MONITOR", "REPLICA MONITOR", "SHOW_ROUTINE", "SHOW CREATE ROUTINE"}
)
_MYSQL_RED = frozenset(
    {"SUPER", "FILE", "SHUTDOWN", "RELOAD", "CREATE USER", "SYSTEM_USER", "SYSTEM_VARIABLES_ADMIN", "SET USER"}
    | {"READ_ONLY ADMIN", "CONNECTION ADMIN", "SET_USER_ID", "ROLE_ADMIN", "GRANT OPTION"}
)


def names_a_role(grants: Iterable[str]) -> bool:
    return any(_ROLE.match(line) for line in grants)


def of_mysql(grants: Iterable[str]) -> Rights:
    """From the lines of `SHOW GRANTS`."""
    writing: list[str] = []
    for line in grants:
        match = _GRANT.match(line)
        if match is None:
            continue
        found = {item.strip().upper() for item in _COLUMNS.sub("", match["what"]).split(",")}
        if "WITH GRANT OPTION" in line.upper():
            found.add("GRANT OPTION")
        everywhere = match["where"] == "*.*"
        if dangerous := sorted(found & _MYSQL_RED) or (everywhere and found & {"ALL PRIVILEGES", "ALL"}):
            return red(f"has the right {', '.join(sorted(dangerous))}")
        writing += sorted(found - _MYSQL_READS)
    return amber(f"has the rights {', '.join(dict.fromkeys(writing))}") if writing else READS


# --- MongoDB ---------------------------------------------------------------------------------------------------------

_MONGODB_RED = frozenset(
    {"anyAction", "createUser", "createRole", "grantRole", "grantPrivilegesToRole", "changePassword", "internal"}
    | {"shutdown", "setParameter", "impersonate", "dropUser", "dropRole", "revokeRole", "replSetConfigure"}
)
_MONGODB_READS = frozenset(
    {"find", "changeStream", "collStats", "dbStats", "dbHash", "indexStats", "killCursors", "killAnyCursor", "top"}
    | {"planCacheRead", "serverStatus", "hostInfo", "inprog", "netstat", "shardingState", "useUUID", "connPoolStats"}
    | {"changeOwnPassword", "changeOwnCustomData", "validate", "viewUser", "viewRole", "cursorInfo"}
)
_READING_WORDS = ("get", "list", "check")
_READING_ENDS = ("Stats", "Status", "Read", "GetStatus", "GetConfig")


def of_mongodb(users: Sequence[Mapping[str, Any]], privileges: Iterable[Mapping[str, Any]]) -> Rights:
    """From `connectionStatus` with its privileges."""
    if not users:
        return red("is nobody: the server asks for no sign-in, and whoever reaches it may do everything")
    found = {str(action) for privilege in privileges for action in privilege.get("actions", ())}
    if dangerous := sorted(found & _MONGODB_RED):
        return red(f"may {', '.join(dangerous[:5])}")
    writing = sorted(action for action in found - _MONGODB_READS if not _is_reading(action))
    return amber(f"may {', '.join(writing[:5])}") if writing else READS


def _is_reading(action: str) -> bool:
    return action.startswith(_READING_WORDS) or action.endswith(_READING_ENDS)


# --- Oracle ----------------------------------------------------------------------------------------------------------

_ORACLE_READS = frozenset(
    {"CREATE SESSION", "SELECT ANY TABLE", "READ ANY TABLE", "SELECT ANY DICTIONARY", "SELECT ANY SEQUENCE"}
    | {"FLASHBACK ANY TABLE", "SET CONTAINER"}
)
_ORACLE_RED = ("ALTER SYSTEM", "ALTER DATABASE", "SYSDBA", "SYSOPER", "CREATE USER", "DROP USER", "BECOME USER")
_ORACLE_RED_STARTS = ("GRANT ANY", "EXECUTE ANY", "CREATE ANY", "DROP ANY", "ALTER ANY", "EXEMPT", "SYS", "ADMINISTER")


def of_oracle(privileges: Iterable[str], *, own_tables: int, granted: int) -> Rights:
    """From the session's privileges, the tables the account owns, and the objects it was given to change."""
    found = set(privileges)
    if dangerous := sorted(item for item in found if item in _ORACLE_RED or item.startswith(_ORACLE_RED_STARTS)):
        return red(f"has the right {', '.join(dangerous[:5])}")
    writing = sorted(found - _ORACLE_READS)
    if own_tables:
        writing.append(f"to change {own_tables} tables of its own")
    if granted:
        writing.append(f"to change {granted} objects of others")
    return amber(f"has the rights {', '.join(writing[:5])}") if writing else READS


# --- SQL Server ------------------------------------------------------------------------------------------------------

_MSSQL_RED = ("is a system administrator", "controls the server", "reads files of the server", "owns the database")
_MSSQL_WRITES = ("insert", "update", "delete", "create tables", "execute procedures")


def of_mssql(answers: Sequence[int]) -> Rights:
    """From nine yes or no (1 or 0), four of them red, and the number of tables that can be changed."""
    if dangerous := [words for words, yes in zip(_MSSQL_RED, answers, strict=False) if yes]:
        return red(", ".join(dangerous))
    writing = [words for words, yes in zip(_MSSQL_WRITES, answers[4:], strict=False) if yes]
    if tables := answers[9]:
        writing.append(f"change {tables} tables")
    return amber(f"can {', '.join(writing)}") if writing else READS
