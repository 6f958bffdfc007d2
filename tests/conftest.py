"""Hypothesis profiles: dev (default), ci, nightly; choose one with the environment variable UFMCHECK_PROFILE."""

import os

import pytest
from hypothesis import HealthCheck, settings

from verify.cli import run

PROFILE = os.environ.get("UFMCHECK_PROFILE", "dev")

for name, examples in {"dev": 10, "ci": 25, "nightly": 500}.items():
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile(PROFILE)


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run_it(*args):
        code = run([str(arg) for arg in args])
        return (code, *capsys.readouterr())

    return run_it
