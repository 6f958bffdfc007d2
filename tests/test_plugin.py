"""The pytest plugin: a file in ``conjectures`` is a test file; a false conjecture fails with its counterexample."""

import subprocess
import sys

TRUE = """
from dataclasses import replace
from theory.hong_ling_2023.minority_collapse import threshold
claim = replace(threshold, id="TRUE-1", mutants=())
"""
FALSE = """
from dataclasses import replace
import sympy as sp
from theory.claim import Family
from theory.hong_ling_2023.minority_collapse import threshold
from theory.symbols import dead, n, x
claim = replace(
    threshold, id="FALSE-1", status="conjecture", derivation=None, mutants=(), relations=(sp.Equivalent(dead, x >= n),)
)
"""


def test_conjectures_are_collected_and_judged(tmp_path):
    folder = tmp_path / "conjectures"
    folder.mkdir()
    (folder / "right.py").write_text(TRUE)
    (folder / "wrong.py").write_text(FALSE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--claim-examples", "2", "conjectures"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "1 failed, 1 passed" in done.stdout
    assert "FALSE-1: refuted" in done.stdout
    assert "counterexample" in done.stdout
    assert "Traceback" not in done.stdout
