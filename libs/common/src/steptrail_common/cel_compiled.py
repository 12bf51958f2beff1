"""The library of expressions without its command line, which brings a whole terminal with it: half a second, 20 MB.

The compiled module lies inside the package `cel`, whose own `__init__` would import the rest. It may begin only once in
a process: so it is listed among the imported modules, where a plugin that imports the package finds it as well.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_NAME = "cel.cel"


def _load() -> ModuleType:
    package = find_spec("cel")
    places = package.submodule_search_locations if package is not None else None
    found = PathFinder.find_spec(_NAME, list(places)) if places else None
    if found is None or found.loader is None:
        raise ImportError("the package common-expression-language is not installed, or is not laid out as expected")
    made = module_from_spec(found)
    sys.modules[_NAME] = made
    found.loader.exec_module(made)
    return made


module = sys.modules.get(_NAME) or _load()
