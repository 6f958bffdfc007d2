"""Every example command of the README runs, in the order written, and ends with exit code 0."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("verify ")]


def run(command, folder):
    return subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_there_are_examples():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.startswith("verify ")], ids=lambda b: b.split("\n")[0]
)
def test_examples_run(block, tmp_path):
    """A block is run in one folder, so that later lines find what earlier ones wrote."""
    for command in block.splitlines():
        done = run(command, tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.strip()
