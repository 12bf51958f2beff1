"""The egress policy at the door: what could never be reached is refused when a channel is saved."""

from urllib.parse import urlsplit

from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved
from steptrail_common.errors import InvalidInput


class PolicyGate:
    """See `ports.Gate`. A name without an address passes: it may get one, and every try is judged again."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def __call__(self, url: str) -> None:
        """See `ports.Gate`."""
        is_mail = url.startswith("smtp")
        try:
            await (self._mail_server(url) if is_mail else self._webhook(url))
        except NameNotResolved:
            return
        except EgressDenied as error:
            of_mail = "body.email.port" if error.reason == "port_denied" else "body.email.host"
            raise InvalidInput.field(of_mail if is_mail else "body.url", error.detail) from error

    async def _webhook(self, url: str) -> None:
        parts = self._policy.check_url(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        await self._policy.resolve(parts.hostname or "", port)

    async def _mail_server(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise EgressDenied("this is neither a name nor an address", reason="bad_url") from error
        await self._policy.resolve(parts.hostname or "", parts.port or 0, kind="smtp")
