"""Google Cloud Storage through gcsfs; every connection is judged by the egress policy.

gcsfs would fetch access tokens with `requests`, past the policy, and would repeat failed requests for a minute: it is
given finished tokens, and its repeating is taken off.
"""

import time
from typing import Any

import aiohttp
from gcsfs.core import GCSFileSystem
from google.auth import crypt, jwt
from google.oauth2.credentials import Credentials
from steptrail_common.contracts.connections import GcsSettings
from steptrail_common.egress import EgressPolicy

from steptrail_crawler.adapters.guarded_aiohttp import connector
from steptrail_crawler.adapters.oauth2 import TokenRequest

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS = 600


class ReadingFileSystem(GCSFileSystem):  # type: ignore[misc]
    """gcsfs that asks once."""

    _request = GCSFileSystem._request.__wrapped__


def file_system(policy: EgressPolicy, settings: GcsSettings) -> ReadingFileSystem:
    """Storage on this loop. Nothing is taken from the machine: no profiles, metadata servers or proxies."""
    anonymous = settings.auth == "none"
    return ReadingFileSystem(
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
        project="",
        access="read_only",
        token="anon" if anonymous else Credentials("to be fetched"),  # type: ignore[no-untyped-call]
        endpoint_url=settings.endpoint_url or "https://storage.googleapis.com",
        session_kwargs={
            "connector": connector(policy),
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
        },
    )


def use_token(files: ReadingFileSystem, token: str) -> None:
    """From now on requests carry this token."""
    files.credentials.credentials.token = token


def token_request(key: dict[str, Any]) -> TokenRequest:
    """What asks the issuer named in a service account's key for a token that may only read (RFC 7523).

    Raises ValueError for a key that is none.
    """
    issued = int(time.time())
    claims = {
        "iss": key["client_email"],
        "scope": SCOPE,
        "aud": key["token_uri"],
        "iat": issued,
        "exp": issued + _ASSERTION_SECONDS,
    }
    signer = crypt.RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    assertion = jwt.encode(signer, claims).decode()  # type: ignore[no-untyped-call]
    return TokenRequest(key["token_uri"], (("grant_type", _GRANT), ("assertion", assertion)))
