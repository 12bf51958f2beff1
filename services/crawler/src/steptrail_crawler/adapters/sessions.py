"""Cookies that one step hands to a later one of the same run.

Workers keep nothing between steps, and any of them may do the next one. So the jar travels: sealed with the workers'
own key, bound to its run, as the value of a capture. Orchestrator, broker, database and page see ciphertext only.
"""

import json

from nacl.encoding import Base64Encoder
from nacl.public import PrivateKey
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.sealing import SealRefused, SecretsKeyring, seal

from steptrail_crawler.adapters.http import CookieJar

PREFIX = "cookies:"
MAX_JAR_BYTES = 32_768


class Sessions:
    """Seals and opens jars with the keys of this worker; every worker of the installation has them."""

    def __init__(self, keyring: SecretsKeyring) -> None:
        self._keyring = keyring

    def sealed(self, jar: CookieJar, run_id: str) -> str:
        """The jar as ciphertext. Raises `CheckFailed` (`too_large`)."""
        text = json.dumps(jar.dump())
        if len(text) > MAX_JAR_BYTES:
            raise CheckFailed(FailureClass.TOO_LARGE, "the cookies are larger than 32 KiB", reason="capture_too_large")
        own = PrivateKey(self._keyring.private_keys[0].encode(), Base64Encoder)
        public = own.public_key.encode(Base64Encoder).decode()
        return PREFIX + seal(public, text, connection_id=run_id, field="cookies", host="run")

    def opened(self, text: str, run_id: str) -> CookieJar:
        """The jar of an earlier step. Raises `CheckFailed` for anything else, also for that of another run."""
        try:
            inside = self._keyring.open(text.removeprefix(PREFIX), connection_id=run_id, field="cookies", host="run")
            return CookieJar.of(json.loads(inside))
        except (SealRefused, ValueError, KeyError, TypeError) as error:
            raise CheckFailed(
                FailureClass.INVALID_DEFINITION,
                "`cookies` is not what an earlier step of this run captured with {cookies: all}",
                reason="bad_cookies",
            ) from error
