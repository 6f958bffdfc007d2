"""What a reader must read to trust one certificate, counted in lines, and what the kernel may import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_kernel import FOLDER, SOURCES

import verify.kernel

LIMITS = dict.fromkeys(verify.kernel.MODULES, 600) | {"loss": 920}
"""Physical lines, comments and docstrings included. Other losses share one module for seven losses and all knobs."""

PROGRAM = """
import json, sys
from importlib import import_module
import verify.kernel
import_module("verify.kernel." + sys.argv[1])
print(json.dumps([name for name in sys.modules if name.startswith(("verify", "theory"))]))
"""


def imports(source: str) -> tuple[set[str], set[str]]:
    """Names of the modules of the package and of the other packages that a source imports."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            inside |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            outside.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
    return inside, outside


def closure(name: str) -> set[str]:
    """A module of the kernel with all that it imports, the package itself included."""
    found, left = set[str](), {name, "__init__", "core"}
    while left:
        found |= left
        left = {other for module in left for other in imports(SOURCES[module])[0] if other in SOURCES} - found
        left -= {"refutation"}  # loaded on demand for files of another kind
    return found


@pytest.mark.parametrize("model", verify.kernel.MODULES)
def test_what_a_reader_must_read_is_short(model: str) -> None:
    lines = {name: len(SOURCES[name].splitlines()) for name in closure(verify.kernel.MODULES[model])}
    assert sum(lines.values()) < LIMITS[model], lines


@pytest.mark.parametrize("model", verify.kernel.MODULES)
def test_the_counted_modules_are_those_that_are_loaded(model: str) -> None:
    name = verify.kernel.MODULES[model]
    command = [sys.executable, "-c", PROGRAM, name]
    loaded = set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert loaded - {"verify", "verify.kernel"} == {f"verify.kernel.{other}" for other in closure(name) - {"__init__"}}


@pytest.mark.parametrize("name", SOURCES)
def test_the_kernel_imports_flint_and_the_standard_library_only(name: str) -> None:
    inside, outside = imports(SOURCES[name])
    assert outside <= {"flint", *sys.stdlib_module_names}
    assert all((Path(FOLDER) / f"{other}.py").exists() or hasattr(verify.kernel, other) for other in inside)


def test_functions_are_short() -> None:
    for source in SOURCES.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, node.name
