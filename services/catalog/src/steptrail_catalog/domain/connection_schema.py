"""What a connection is made of, as JSON Schema: the typed form of every kind, with the secrets it can hold."""

from typing import Any

from steptrail_common.contracts.catalog import ConnectionWrite

from steptrail_catalog.domain.targets import SECRET_FIELDS, SECRET_OF_SIGN_IN

SCHEMA_ID = "https://steptrail.io/schemas/connection.schema.json"


def connection_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of what is sent to save a connection.

    Beside the standard words each kind carries `x-secrets` (names it can hold) and, where the way of signing in decides
    which of them is used, `x-secret-of` (value of `auth` to name).
    """
    schema = ConnectionWrite.model_json_schema(by_alias=True)
    for part in schema["$defs"].values():
        kind = part.get("properties", {}).get("kind", {}).get("const")
        if kind is None:
            continue
        part["x-secrets"] = list(SECRET_FIELDS[kind])
        if ways := part["properties"].get("auth", {}).get("enum"):
            part["x-secret-of"] = {way: SECRET_OF_SIGN_IN[way] for way in ways if way in SECRET_OF_SIGN_IN}
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Steptrail connection",
    }
    return about | {key: value for key, value in schema.items() if key not in about}
