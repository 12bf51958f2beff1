"""Definitions as YAML: read as YAML 1.2 into plain JSON values with line numbers, and written so that it reads back.

Read from parser events and not by a constructor: no tag can make an object, aliases have a budget, `on` is a word and
not `true`, dates stay text, and each value knows its line.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from steptrail_catalog.domain.places import Place, shortened
from steptrail_catalog.domain.source import MAX_DEPTH, MAX_VALUES, Source, Unreadable

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,299})\Z")
_BASED = re.compile(r"0o[0-7]{1,99}\Z|0x[0-9a-fA-F]{1,99}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


def read_yaml(text: str) -> Source:
    """The document of a YAML text and the line of each of its parts. Raises `Unreadable`."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.reader.ReaderError as error:
        raise Unreadable(f"not valid YAML: {error.reason} (at character {error.position})") from None
    except yaml.MarkedYAMLError as error:
        raise _explained(error) from None
    except yaml.YAMLError as error:
        raise Unreadable(f"not valid YAML: {shortened(str(error))}") from None
    if not isinstance(builder.document, dict):
        raise Unreadable("a definition is a mapping that begins with `version: 1`", line=1)
    return Source(builder.document, builder.lines, text)


def _explained(error: yaml.MarkedYAMLError) -> Unreadable:
    line = error.problem_mark.line + 1 if error.problem_mark else None
    hint = "; text with ${{ … }} inside { } or [ ] needs quotes" if "flow" in (error.context or "") else ""
    return Unreadable(f"not valid YAML: {error.problem or 'it cannot be read'}{hint}", line=line)


@dataclass
class _Frame:
    """A list or mapping that is being filled. `values` counts what it holds, aliases written out."""

    container: Any
    place: Place
    anchor: str | None
    line: int
    key: str | None = None
    key_line: int = 0
    values: int = 1


class _Builder:
    """Takes events, keeps an explicit stack (depth costs no recursion), refuses what a definition does not need."""

    def __init__(self) -> None:
        self.document: Any = None
        self.lines: dict[Place, int] = {}
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Unreadable("one file holds one definition; remove the second document", line=line)
        elif isinstance(event, yaml.ScalarEvent):
            self._plain(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close()

    def _plain(self, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        value = _resolve(event.value, line) if event.implicit[0] and event.tag is None else event.value
        self._count(1, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, line, 1)

    def _alias(self, event: Any, line: int) -> None:
        if event.anchor not in self._anchors:
            raise Unreadable(f"the alias *{shortened(event.anchor)} points at nothing that is complete", line=line)
        value, size = self._anchors[event.anchor]
        self._count(size, line)
        self._put(value, line, size)

    def _open(self, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        if len(self._stack) >= MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", line=line)
        self._count(1, line)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            raise Unreadable("a key must be text", place=frame.place, line=line)
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Frame(container, self._next_place(), event.anchor, line))

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.container, frame.values)
        self._put(frame.container, frame.line, frame.values)

    def _next_place(self) -> Place:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        return (*frame.place, len(frame.container) if isinstance(frame.container, list) else frame.key or "")

    def _put(self, value: Any, line: int, size: int) -> None:
        if not self._stack:
            self.document = value
            self.lines[()] = line
            return
        frame = self._stack[-1]
        frame.values += size
        if isinstance(frame.container, list):
            self.lines[self._next_place()] = line
            frame.container.append(value)
        elif frame.key is None:
            frame.key, frame.key_line = self._key(frame, value, line), line
        else:
            self.lines[(*frame.place, frame.key)] = frame.key_line
            frame.container[frame.key] = value
            frame.key = None

    @staticmethod
    def _key(frame: _Frame, value: Any, line: int) -> str:
        if not isinstance(value, str):
            raise Unreadable(f'a key must be text: write "{value}" with quotes', place=frame.place, line=line)
        if value in frame.container:
            raise Unreadable("this key stands here twice", place=(*frame.place, value), line=line)
        return value

    def _count(self, size: int, line: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            raise Unreadable(f"more than {MAX_VALUES} values, aliases written out", line=line)

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise Unreadable(f"tags such as {shortened(event.tag)} are not read; remove it", line=line)


def _resolve(text: str, line: int) -> Any:
    """The value of plain text by the core schema of YAML 1.2, but digits behind a zero stay text (`0047`)."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _LEADING_ZERO.match(text):
        return text if "." not in text or not _FLOAT.match(text) else float(text)
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _SPECIAL.match(text):
        raise Unreadable(f"{text} is not a number that JSON knows", line=line)
    if _FLOAT.match(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise Unreadable(f"the number {text} is too large", line=line)
        return value
    return text


class _Writer(yaml.SafeDumper):
    """Writes words such as `on` without quotes, as YAML 1.2 reads them, and everything else safely for both."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _own_resolvers() -> None:
    _Writer.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in pairs if tag != "tag:yaml.org,2002:bool"]
        for first, pairs in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }
    _Writer.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
    )
    numbers = re.compile(r"[-+]?[0-9][0-9_]*\Z|0[ox][0-9a-fA-F]+\Z")
    _Writer.add_implicit_resolver("tag:yaml.org,2002:int", numbers, list("-+0123456789"))
    _Writer.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


_own_resolvers()


def write_yaml(document: dict[str, Any]) -> str:
    """A document as YAML in its own order of keys; `read_yaml` gives the same document back."""
    text: str = yaml.dump(
        document, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )
    return text
