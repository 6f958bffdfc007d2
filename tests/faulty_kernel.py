"""Load the kernel with one line changed."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import verify.kernel

FOLDER = Path(verify.kernel.__file__).parent
SOURCES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.py"))}
"""Source of every module of the kernel; the package itself is ``__init__``."""

NAME = "kernel_with_a_fault"


def module_with(before: str, *modules: str) -> str:
    """The first of the modules (default: all) that holds a piece of source."""
    holders = [name for name in modules or SOURCES if before in SOURCES[name]]
    assert holders, "the line to change is gone"
    return holders[0]


def load(module: str, before: str, after: str, count: int = 1) -> types.ModuleType:
    """The kernel, with ``before`` replaced in the source of one of its modules (``count`` times, -1 everywhere)."""
    changed = SOURCES[module].replace(before, after, count)
    assert changed != SOURCES[module]
    return load_source(module, changed)


def load_source(module: str, changed: str) -> types.ModuleType:
    """The kernel, with another source of one of its modules."""
    for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[name]
    package = types.ModuleType(NAME)
    package.__path__ = [str(FOLDER)]
    package.__package__ = NAME
    sys.modules[NAME] = package
    if module == "__init__":
        _execute(package, changed)
        return package
    _execute(types.ModuleType(f"{NAME}.{module}"), changed)
    _execute(package, SOURCES["__init__"])
    return package


def _execute(module: types.ModuleType, source: str) -> None:
    sys.modules[module.__name__] = module  # dataclasses look their module up
    module.__package__ = NAME
    exec(compile(source, module.__name__, "exec"), module.__dict__)
