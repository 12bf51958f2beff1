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
