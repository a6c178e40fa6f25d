"""Transformers' renderer of chat templates, imported without the packages that it lies in."""

import importlib
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

OUTER, INNER = "transformers", "transformers.utils"
MODULE = f"{INNER}.chat_template_utils"


def load() -> Any:
    """The module, which takes 2 MB; its packages import a client of the Hub, and take 17.

    Raises `ImportError`.
    """
    if OUTER not in sys.modules:
        with suppress(ImportError, AttributeError):  # of a version that needs more of them
            return _alone()
    return importlib.import_module(MODULE)


def _alone() -> ModuleType:
    """As if the packages had nothing in them; whoever imports them afterwards gets all of them."""
    sys.modules |= _bare_packages()
    try:
        return importlib.import_module(MODULE)
    finally:
        for name in [each for each in sys.modules if each.partition(".")[0] == OUTER]:
            del sys.modules[name]


def _bare_packages() -> dict[str, ModuleType]:
    """Raises `ImportError`."""
    found = importlib.util.find_spec(OUTER)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"{OUTER} is not a package here")
    outer, inner = ModuleType(OUTER), ModuleType(INNER)
    folder = found.submodule_search_locations[0]
    outer.__path__, inner.__path__ = [folder], [str(Path(folder) / "utils")]
    return {OUTER: outer, INNER: inner}
