"""Expressions without a terminal."""

import subprocess
import sys


def test_the_library_of_expressions_comes_without_its_command_line() -> None:
    """In a process of its own, since others of this one may have imported it."""
    code = (
        "import sys; from steptrail_common.cel import load; "
        "print(load().compile('x + 1').execute({'x': 2}), load() is load(), 'prompt_toolkit' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "True", "False"], done.stdout


def test_it_is_loaded_once_however_many_ask() -> None:
    """Several threads at once, and a plugin that imports the whole package afterwards: it begins once."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor; from steptrail_common.cel import load; "
        "found = list(ThreadPoolExecutor(8).map(lambda _: load(), range(64))); "
        "import cel; print(len(set(map(id, found))), cel.compile is load().compile)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"], done.stdout


def test_it_is_the_one_that_somebody_imported_before() -> None:
    code = "import cel; from steptrail_common.cel import load; print(cel.compile is load().compile)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True", done.stdout
