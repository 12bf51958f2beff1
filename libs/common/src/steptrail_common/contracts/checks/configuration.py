"""What the configuration of every check kind is: typed fields, and what the services must know of the kind.

A kind's class answers for all of it: the catalog reads which subjects and connections fit, the orchestrator renders
its texts by their places, the plan asks what it touches, the editor gets its JSON Schema.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache, lru_cache, reduce
from operator import getitem
from typing import Annotated, Any, ClassVar, NamedTuple, Self, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel

from steptrail_common.contracts.checks.text import Place
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.expressions import OPEN
from steptrail_common.contracts.model import Contract, Json


class Touch(NamedTuple):
    """One thing a step would touch. `kind`: host, statement, file or secret; all texts without secret values."""

    kind: str
    target: str
    detail: str | None = None


class CheckConfiguration(Contract):
    """The base of every kind. A subclass declares `type: Literal["…"]`, its fields, and the class variables below."""

    subjects: ClassVar[tuple[str, ...]] = ()
    """What assertions can look at (of `Assertion.subject`)."""
    captures: ClassVar[tuple[str, ...]] = ()
    """Where captures can come from (sources of `Capture`)."""
    connections: ClassVar[tuple[str, ...]] = ()
    """The kinds of connection it can use; a kind with any declares a field `connection`."""
    works: ClassVar[tuple[str, ...]] = ()
    """The kinds of work its checks can be, if not its type alone: each has a queue and workers of its own."""
    timeout_seconds: ClassVar[float] = 30.0
    """Of one attempt, when neither step nor defaults say otherwise."""

    type: str

    @property
    def connection_id(self) -> str | None:
        """The connection this check names."""
        found: str | None = getattr(self, "connection", None)
        return found

    @property
    def work(self) -> str:
        """The kind of work this check is: names its queue, and the workers that take it."""
        return self.type

    def touches(self, settings: ConnectionSettings | None) -> Iterable[Touch]:
        """What this check would touch, found without touching it. Values not known yet are still `${{ … }}`.

        `settings`: of the connection it names, None without one or when it is not known here. Secrets of the
        connection are listed by the caller.
        """
        return ()

    def misfit(self, settings: ConnectionSettings) -> tuple[str, str] | None:
        """(field of the check, why it cannot be done with a connection of these settings), though its kind fits."""
        return None

    def shares_answer(self) -> bool:
        """Whether this very check, asked twice at the same moment, may be done once: only if looking has no effect."""
        return False

    def filled(self, change: Callable[[str, Place], Json]) -> Self:
        """A copy for display: texts with expressions are what `change` makes of them; nothing is validated."""
        texts = Texts(self).changed(change)
        made = {
            name: item if isinstance(item, str | list | dict | int | float) else getattr(self, name)
            for name, item in texts.items()
            if not isinstance(getattr(self, name), BaseModel)
        }
        return self.model_copy(update=made)


class Texts:
    """The texts of a configuration that hold `${{`, and where they stand: looked for once, given values often."""

    def __init__(self, configuration: BaseModel) -> None:
        self._fields = configuration.model_dump(mode="json", by_alias=False, exclude_unset=True)
        self._found = list(_found(configuration, self._fields, Place.VALUE, ()))

    def changed(self, change: Callable[[str, Place], Json]) -> dict[str, Any]:
        """The fields that are set, by name and as JSON, with `change(text, place)` for every such text."""
        fields = self._fields.copy() if all(len(path) == 1 for path, *_ in self._found) else deepcopy(self._fields)
        for (*outer, last), text, place in self._found:
            reduce(getitem, outer, fields)[last] = change(text, place)
        return fields


def _found(
    value: Any, dumped: Any, place: Place, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], str, Place]]:
    """Path, text and place of each. `value` tells the models (and with them the places), `dumped` the JSON; both have
    the same form."""
    if isinstance(dumped, str):
        if OPEN in dumped and place is not Place.VERBATIM:
            yield path, dumped, place
        return
    if isinstance(value, BaseModel):
        places = _places(type(value))
        inner = [(name, getattr(value, name), item, places[name]) for name, item in dumped.items()]
    elif isinstance(dumped, list):
        inner = [(at, one, item, place) for at, (one, item) in enumerate(zip(value, dumped, strict=True))]
    elif isinstance(dumped, dict):
        inner = [(key, value[key], item, place) for key, item in dumped.items()]
    else:
        return
    for at, one, item, its_place in inner:
        yield from _found(one, item, its_place, (*path, at))


@cache
def _places(model: type[BaseModel]) -> Mapping[str, Place]:
    return {name: _place(field.annotation, field.metadata) for name, field in model.model_fields.items()}


def _place(annotation: Any, metadata: Iterable[Any]) -> Place:
    kinds = list(_flat(annotation))
    declared = [item for item in (*metadata, *kinds) if isinstance(item, Place)]
    if declared:
        return declared[0]
    return Place.VALUE if {Any, int, float, bool} & {kind for kind in kinds if _hashable(kind)} else Place.TEXT


def _flat(annotation: Any) -> Iterable[Any]:
    """Every type and every piece of `Annotated` metadata inside an annotation."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
        yield from _flat(annotation.__origin__)
    elif arguments := get_args(annotation):
        for argument in arguments:
            yield from _flat(argument)
    else:
        yield annotation


def _hashable(value: Any) -> bool:
    return getattr(value, "__hash__", None) is not None


# --- words for plans -------------------------------------------------------------------------------------------------


def address_touch(method: str, url: str) -> Touch:
    """A request: `host:port` with method and whole address as detail."""
    return Touch("host", _host(url), f"{method} {url}")


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    """`host:port` of an address; the expression it begins with if that is all that is known."""
    if url.startswith(OPEN):
        return url.split("}}", 1)[0] + "}}"
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        return url.split("//", 1)[-1].split("/", 1)[0]


def below(base: str, path: str | None) -> str:
    """A path below a base address or folder."""
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base
