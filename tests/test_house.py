"""The rules of the house: direction of imports, pinned versions, one-line set-up, nothing of a machine in the files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from verify.report.words import OURS

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {".git", ".venv", ".nox", ".hypothesis", "__pycache__", "build", "dist", "node_modules"}
HEAVY = {"sympy", "cvxpy", "scipy", "matplotlib", "hypothesis"}


def committed() -> list[Path]:
    """Files under version control; in a plain copy, every file that is not generated."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return [p for p in found if not any(part in GENERATED or "cache" in part for part in p.relative_to(ROOT).parts)]


def imports(path: Path) -> set[str]:
    """Top-level names of every module that a file imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(path.relative_to(ROOT).parts[0] if node.level else (node.module or "").split(".")[0])
    return names


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_theory_never_imports_verify() -> None:
    files = sorted((ROOT / "theory").rglob("*.py"))
    assert files
    assert [str(path) for path in files if "verify" in imports(path)] == []


def test_kernel_imports_only_flint_and_the_standard_library() -> None:
    for path in sorted((ROOT / "verify" / "kernel").glob("*.py")):
        relative = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom) and n.level]
        assert all(node.level == 1 for node in relative), path
        outside = imports(path) - set(sys.stdlib_module_names) - ({"verify"} if relative else set())
        assert outside <= {"flint"}, path


def test_the_kernel_runs_without_the_project(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "verify" / "kernel", tmp_path / "alone")
    (tmp_path / "file.json").write_text("{}")
    code = "import sys; sys.modules['theory'] = sys.modules['verify'] = None; import runpy; runpy.run_module('alone')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    done = subprocess.run([sys.executable, "-m", "alone", "file.json"], capture_output=True, text=True, cwd=tmp_path)
    assert '"outcome": "rejected"' in done.stdout


def test_starting_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, verify.__main__; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert HEAVY & set(done.stdout.split()) == set()


def test_no_file_mentions_a_machine() -> None:
    local = re.compile(r"/(home|Users|root|work|mnt|tmp/bash)[/]\w|\.\./share[d]|\b[A-Z]:\\Users")
    offenders = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        offenders += [f"{path.relative_to(ROOT)}: {match[0]}" for match in local.finditer(text)]
    assert offenders == []


def test_nothing_generated_is_committed() -> None:
    suffixes = {".pyc", ".so", ".whl", ".egg-info"}
    assert [p for p in committed() if p.suffix in suffixes or "__pycache__" in p.parts] == []
    assert [p for p in committed() if p.stat().st_size > 5_000_000] == []


def test_constraints_are_plain_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line)] == []
    assert "ufmcheck" not in pinned()


def test_constraints_cover_every_direct_dependency_and_satisfy_it() -> None:
    table, pins = project(), pinned()
    wanted = [*table["dependencies"], *table["optional-dependencies"]["test"], *table["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        if requirement.name != table["name"]:
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), str(requirement)


def test_constraints_cover_every_installed_dependency() -> None:
    table, pins = project(), pinned()
    todo = [Requirement(f"{table['name']}[dev,test]")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        extras = wanted.extras or {""}
        for requirement in map(Requirement, found.requires or []):
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras):
                todo.append(requirement)
    missing = {name for name, _ in seen} - set(pins) - {canonicalize_name(table["name"])}
    assert missing == set()


@pytest.mark.parametrize("ending", ["verify run", "pytest -n 2"])
def test_readme_sets_up_and_runs_in_one_line(ending: str) -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    matches = [line for line in lines if line.startswith("python3 -m venv .venv && ") and line.endswith(ending)]
    assert len(matches) == 1
    position = lines.index(matches[0])
    assert lines[position - 1] == "```sh"
    assert lines[position + 1] == "```"
    assert "-c constraints.txt" in matches[0]
    assert "\\" not in matches[0]


def test_continuous_integration_takes_its_line_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 -E '([^']+)' README\.md", script)
    assert pattern is not None
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if re.search(pattern[1], line)]) == 1
    assert "pip install" not in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_readme_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        assert [t for t in targets if not (page.parent / t).exists()] == [], page.name


def test_bibliography_has_the_papers_of_the_claims() -> None:
    keys = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "theory" / "references.bib").read_text(encoding="utf-8"), re.M))
    assert {
        "hong_ling_2023",
        "dang_2024_relu",
        "thrampoulidis_2022_seli",
        "dang_2023_deep_linear",
        "lu_steinerberger_2020",
        "fang_2021_layer_peeled",
    } <= keys
    papers = {p.name for p in (ROOT / "theory").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert papers - set(OURS) <= keys
