"""The library of expressions without its command line, which brings a whole terminal with it: half a second, 20 MB."""

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any


@cache
def load() -> Any:
    """The compiled module inside the package `cel`, whose own `__init__` would import the rest."""
    package = find_spec("cel")
    places = package.submodule_search_locations if package is not None else None
    found = PathFinder.find_spec("cel.cel", list(places)) if places else None
    if found is None or found.loader is None:
        raise ImportError("the package common-expression-language is not installed, or is not laid out as expected")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module
