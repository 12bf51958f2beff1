"""The library of expressions without its command line, which brings a whole terminal with it: half a second, 20 MB."""

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import Lock
from typing import Any

_NAME = "cel.cel"
_loading = Lock()


def load() -> Any:
    """The compiled module inside the package `cel`, whose own `__init__` would import the rest."""
    with _loading:  # it may begin only once in a process, whoever asks first
        return _loaded()


@cache
def _loaded() -> Any:
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    package = find_spec("cel")
    places = package.submodule_search_locations if package is not None else None
    found = PathFinder.find_spec(_NAME, list(places)) if places else None
    if found is None or found.loader is None:
        raise ImportError("the package common-expression-language is not installed, or is not laid out as expected")
    module = module_from_spec(found)
    sys.modules[_NAME] = module  # so that a plugin that imports the package gets the same one
    found.loader.exec_module(module)
    return module
