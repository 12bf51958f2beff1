"""Serves; `create-link [USERNAME]` prints a sign-in link instead, `verify-audit` checks the audit log."""

import asyncio
import sys

from steptrail_common.errors import SteptrailError
from steptrail_common.service import main

from steptrail_gateway.config import Settings
from steptrail_gateway.service import audit_fault, build, create_sign_in_link, with_store

USAGE = "usage: python -m steptrail_gateway [create-link [USERNAME] | verify-audit]"


async def create_link(username: str) -> int:
    settings = Settings.load()
    async with with_store(settings) as service:
        path = await create_sign_in_link(service, username)
    print(f"{settings.public_url or f'http://{settings.host}:{settings.port}'}{path}")
    return 0


async def verify_audit() -> int:
    async with with_store(Settings.load()) as service:
        count, fault = await audit_fault(service)
    print(f"{count} lines, unbroken" if fault is None else f"line {fault} is not as it was written")
    return 0 if fault is None else 1


def run(arguments: list[str]) -> int:
    match arguments:
        case []:
            main(Settings, build)
            return 0
        case ["create-link"] | ["create-link", _]:
            return asyncio.run(create_link(arguments[1] if arguments[1:] else "admin"))
        case ["verify-audit"]:
            return asyncio.run(verify_audit())
    sys.stderr.write(f"{USAGE}\n")
    return 3


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except SteptrailError as error:
        sys.exit(f"steptrail-gateway: {error.detail}")
