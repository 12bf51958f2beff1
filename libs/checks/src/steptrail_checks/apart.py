"""Selectors that might take for ever, looked up in a process apart, which can be killed.

libxml2 cannot be interrupted: `//*[count(//*[count(//*) > 0]) > 0]` on a large page would keep a thread busy for days.
Most selectors cannot do that and are looked up where they are; the others cost a few milliseconds more. The process
gets the page as JSON and answers in JSON: whatever a page does to it stays there.
"""

import atexit
import json
import re
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from steptrail_common.contracts.model import FailureClass, Json

from steptrail_checks import documents
from steptrail_checks.port import CheckFailed

SECONDS = 4.5
"""A little less than `guard.LOOK_SECONDS`, whose thread waits for the answer."""
_SMALL_CHARACTERS = 65_536
_CPU_SECONDS = 10
"""Of one look; the process ends by itself after it, should nobody be there to kill it."""
_MEMORY_BYTES = 2 * 1024**3
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FAR_AXES = re.compile(r"(?:ancestor|descendant|following|preceding)[a-z-]*\s*::")
_idle: list["_Helper"] = []
_lock = threading.Lock()


def costly(kind: str, expression: str, page_characters: int) -> bool:
    """Whether the time of a selector may grow faster than the page: what looks far from within a predicate, or, on a
    large page, anything that compares. `kind`: `selector` or `xpath`."""
    bare = _QUOTED.sub("", expression)
    large = page_characters > _SMALL_CHARACTERS
    if kind == "selector":
        return "has(" in bare or bare.count("~") > 1 or (large and (":" in bare or "~" in bare))
    far = bare.count("//") > 2 or _FAR_AXES.search(bare) is not None
    return far or ("[" in bare and (large or "//" in bare.partition("[")[2]))


def select(text: str, content_type: str | None, kind: str, expression: str, part: str) -> list[Json]:
    """`documents.select` on a page, in another process. Blocks; raises `CheckFailed`, also when its time is over."""
    helper = _taken()
    question = {"text": text, "content_type": content_type, "kind": kind, "expression": expression, "part": part}
    try:
        answer = helper.ask(json.dumps(question).encode() + b"\n")
    except BaseException:  # this thread is told to end, as `guard` does when a machine is slow: the process with it
        helper.end()
        raise
    if answer is None:
        raise documents.selector_error(
            expression, f"it takes more than {SECONDS:g} s or too much memory on this page: simplify it"
        )
    _give_back(helper)
    if (failed := answer.get("failed")) is not None:
        raise CheckFailed(FailureClass(failed["class"]), failed["message"], reason=failed["reason"])
    found: list[Json] = answer["values"]
    return found


class _Helper:
    """One process. Serves one question at a time, any number one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "steptrail_checks.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "", "PYTHONPATH": ":".join(path for path in sys.path if path)},
        )

    def ask(self, question: bytes) -> dict[str, Any] | None:
        """The answer; None when there was none in time, and no process any more."""
        clock = threading.Timer(SECONDS, self._process.kill)
        clock.start()
        try:
            return self._asked(question)
        except (OSError, ValueError):  # it was killed, by us or by its limits
            self.end()
            return None
        finally:
            clock.cancel()
            clock.join()  # it ends at once: no thread is left behind a look

    def _asked(self, question: bytes) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("no pipes")
        stdin.write(question)
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def end(self) -> None:
        """At once."""
        self._process.kill()
        with suppress(OSError, ValueError):  # what could not be written to it any more
            self._process.communicate()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


def _taken() -> _Helper:
    with _lock:
        while _idle:
            helper = _idle.pop()
            if helper.alive:
                return helper
            helper.end()
    return _Helper()


def _give_back(helper: _Helper) -> None:
    """One is kept for the next question."""
    with _lock:
        if not _idle:
            _idle.append(helper)
            return
    helper.end()


@atexit.register
def close() -> None:
    """End the process that is kept; the next question starts another."""
    with _lock:
        while _idle:
            _idle.pop().end()


# --- inside the process ----------------------------------------------------------------------------------------------


def _serve() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for line in sys.stdin.buffer:
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + _CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        sys.stdout.buffer.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    try:
        tree = documents.tree(question["text"], question["content_type"])
        values = documents.select(tree, question["kind"], question["expression"], question["part"])
        return {"values": values}
    except CheckFailed as error:
        return {
            "failed": {"class": error.failure_class.value, "message": error.message, "reason": error.reason},
        }


if __name__ == "__main__":
    _serve()
