"""The egress policy inside aiohttp, which the libraries of the object stores bring: judged when connecting."""

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from steptrail_common.egress import EgressPolicy, NameNotResolved


class PolicyResolver(AbstractResolver):
    """Names go through the policy; connections go to the judged addresses only."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            addresses = await self._policy.resolve(host, port)
        except NameNotResolved as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def connector_arguments(policy: EgressPolicy) -> dict[str, Any]:
    """For an `aiohttp.TCPConnector`. Addresses written as numbers skip resolvers, so sockets are judged as well."""

    def judged_socket(address: Any) -> socket.socket:
        family, kind, protocol, _, place = address
        policy.check_address(place[0], place[1])
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made

    return {"resolver": PolicyResolver(policy), "socket_factory": judged_socket, "use_dns_cache": False}


def connector(policy: EgressPolicy) -> aiohttp.TCPConnector:
    """A connector that reaches what the policy allows, and nothing else."""
    return aiohttp.TCPConnector(**connector_arguments(policy))
