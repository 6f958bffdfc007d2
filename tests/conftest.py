"""Hypothesis profiles: dev (default), ci, nightly; choose one with the environment variable UFMCHECK_PROFILE."""

import os

from hypothesis import HealthCheck, settings

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
