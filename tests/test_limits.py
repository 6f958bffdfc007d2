"""A block ends when its time is up, whatever it is doing, and so does the check of a claim."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from planted import planted

from theory.observables import cluster_readings
from verify.engine import check
from verify.limits import OutOfTime, time_limit


def test_the_clock_is_switched_off_again():
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(OutOfTime), time_limit(0.05):
        time.sleep(1)


def test_an_inner_block_neither_stops_nor_prolongs_the_outer_one():
    began = time.monotonic()

    def after_an_inner_block():
        with time_limit(5):
            pass
        time.sleep(5)

    with pytest.raises(OutOfTime), time_limit(0.2):
        after_an_inner_block()
    with pytest.raises(OutOfTime), time_limit(0.2), time_limit(5):
        time.sleep(5)
    with time_limit(5), pytest.raises(OutOfTime), time_limit(0.1):
        time.sleep(5)
    assert time.monotonic() - began < 3


def test_a_reader_that_does_not_end_at_a_later_configuration_is_a_timeout():
    claim, read = planted()["PLANT-UNDERIVED"], []

    def endless(optimum):
        read.append(optimum.problem)
        while len(set(read)) > 2:
            pass
        yield from cluster_readings(optimum)

    result = check(replace(claim, read=endless), examples=5, mutants=False, timeout=5)
    assert result.verdict == "timeout"
    assert len(set(read)) == 3
