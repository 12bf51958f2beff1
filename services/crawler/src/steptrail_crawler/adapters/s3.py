"""Amazon S3 and stores that speak its language, through s3fs; every connection is judged by the egress policy."""

from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from s3fs import S3FileSystem
from steptrail_common.contracts.connections import S3Settings
from steptrail_common.egress import EgressPolicy

from steptrail_crawler.adapters.guarded_aiohttp import connector_arguments


def file_system(policy: EgressPolicy, settings: S3Settings, secret: str | None, token: str | None) -> S3FileSystem:
    """One bucket's file system on this loop. Nothing is taken from the machine: no profiles, roles or proxies."""

    class JudgedSession(AIOHTTPSession):  # type: ignore[misc]
        """aiobotocore's session with the policy's connector; it would not take a socket factory otherwise."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            given = named.pop("connector_args", None) or {}
            judged = {**given, **connector_arguments(policy)}
            super().__init__(*arguments, **{**named, "proxies": None, "connector_args": judged})

    files = S3FileSystem(
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
        anon=settings.access_key_id is None,
        key=settings.access_key_id,
        secret=secret,
        token=token,
        endpoint_url=settings.endpoint_url,
        client_kwargs={"region_name": settings.region, "verify": settings.verify_tls},
        config_kwargs={
            "connect_timeout": 10,
            "read_timeout": 30,
            "retries": {"max_attempts": 0},
            "http_session_cls": JudgedSession,
            "s3": {"addressing_style": "path" if settings.endpoint_url else "auto"},
        },
    )
    files.retries = 1
    return files
