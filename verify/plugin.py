"""Pytest plugin: every claim in a ``conjectures`` folder (outside packages) is a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from theory.claim import Claim

FOLDER = "conjectures"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--claim-examples``."""
    group = parser.getgroup("ufmcheck")
    group.addoption(
        "--claim-examples", type=int, default=5, help="drawn configurations per claim in a conjectures folder"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ClaimFile | None:
    """Collect ``conjectures/*.py`` that is not part of a package."""
    folder = file_path.parent
    if file_path.suffix == ".py" and folder.name == FOLDER and not (folder / "__init__.py").exists():
        collected: ClaimFile = ClaimFile.from_parent(parent, path=file_path)
        return collected
    return None


class ClaimFile(pytest.File):
    """A file of claims; the heavy modules are imported only when it is collected."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per claim."""
        from verify.registry import claims_in_file

        for claim in claims_in_file(self.path):
            yield ClaimItem.from_parent(self, name=claim.id, claim=claim)


class ClaimItem(pytest.Item):
    """Checks one claim; fails when it does not reach the verdict it requires."""

    def __init__(self, *, claim: Claim, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim

    def runtest(self) -> None:
        """Check the claim on all routes."""
        from verify.engine import check, reached

        result = check(self.claim, examples=self.config.getoption("--claim-examples"))
        if not reached(result):
            survivors = f"; surviving mutants: {result.mutants.survivors}" if result.mutants.survivors else ""
            case = f"; counterexample {result.counterexample.configuration}" if result.counterexample else ""
            pytest.fail(
                f"{result.id}: {result.verdict}, required {result.required}. {result.reason}{case}{survivors}",
                pytrace=False,
            )

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the claim in the report."""
        return self.path, None, f"{self.claim.id}: {self.claim.title}"
