"""Places at a target that workers take together: who holds one says so again in time, or it is free.

Time is the store's own, so that clocks of workers that differ do no harm. A worker that dies gives its places back by
not renewing them.
"""

from typing import Any, Protocol

LEASE_SECONDS = 15.0
"""A place that is not renewed for so long is free again."""
RENEW_SECONDS = 5.0
"""How often a place is renewed, so that two renewals may get lost."""
_COLLECTION = "places"


class Places(Protocol):
    """The places of all targets. Drivers block. Raises the errors of its driver."""

    def take(self, target: str, holder: str, limit: int) -> bool:
        """Whether the holder has one of `limit` places now, for `LEASE_SECONDS`. Atomic."""

    def renew(self, target: str, holder: str) -> None:
        """The lease begins anew; nothing happens if it had ended."""

    def give_back(self, target: str, holder: str) -> None:
        """Free again; nothing happens if it was."""


class RedisPlaces:
    """A sorted set for each target: the holders by the moment their lease ends."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._take = client.register_script(_TAKE)
        self._renew = client.register_script(_RENEW)

    def take(self, target: str, holder: str, limit: int) -> bool:
        return bool(self._take(keys=[_key(target)], args=[holder, limit, LEASE_SECONDS]))

    def renew(self, target: str, holder: str) -> None:
        self._renew(keys=[_key(target)], args=[holder, LEASE_SECONDS])

    def give_back(self, target: str, holder: str) -> None:
        self._client.zrem(_key(target), holder)


def _key(target: str) -> str:
    return f"steptrail:{_COLLECTION}:{target}"


_NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
"""
_TAKE = (
    _NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]) * 2000)
return 1
"""
)
_RENEW = (
    _NOW
    + """
redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) * 2000)
"""
)


class MongoPlaces:
    """A document for each target: its holders, each with the moment its lease ends."""

    def __init__(self, client: Any, database: str) -> None:
        self._places = client[database][_COLLECTION]
        self._indexed = False

    def take(self, target: str, holder: str, limit: int) -> bool:
        from pymongo import ReturnDocument  # only where a MongoDB store is wanted
        from pymongo.errors import DuplicateKeyError

        self._index()
        with_this = {"$concatArrays": ["$holders", [{"id": holder, "until": _lease_end()}]]}
        room = {"$lt": [{"$size": "$holders"}, limit]}
        steps = [
            {"$set": {"holders": _LIVE}},
            {"$set": {"holders": {"$cond": [room, with_this, "$holders"]}, "expires_at": _lease_end()}},
        ]
        try:
            found = self._places.find_one_and_update(
                {"_id": target}, steps, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            return False  # another worker made the document at the same moment: the next attempt finds it
        return any(each["id"] == holder for each in found["holders"])

    def renew(self, target: str, holder: str) -> None:
        is_it = {"$eq": ["$$each.id", holder]}
        longer = {"$cond": [is_it, {"id": holder, "until": _lease_end()}, "$$each"]}
        renewed = {"$map": {"input": "$holders", "as": "each", "in": longer}}
        steps = [{"$set": {"holders": renewed, "expires_at": _lease_end()}}]
        self._places.update_one({"_id": target, "holders.id": holder}, steps)

    def give_back(self, target: str, holder: str) -> None:
        self._places.update_one({"_id": target}, {"$pull": {"holders": {"id": holder}}})

    def _index(self) -> None:
        """Targets that nobody asks any more are forgotten by the server."""
        if not self._indexed:
            self._places.create_index("expires_at", expireAfterSeconds=0)
            self._indexed = True


def _lease_end() -> dict[str, Any]:
    return {"$add": ["$$NOW", int(LEASE_SECONDS * 1000)]}


_LIVE = {
    "$filter": {
        "input": {"$ifNull": ["$holders", []]},
        "as": "each",
        "cond": {"$gt": ["$$each.until", "$$NOW"]},
    }
}
