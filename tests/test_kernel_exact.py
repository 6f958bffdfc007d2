"""Algebraic thresholds are decided in rational arithmetic: the tie itself, and one part in 10^40 to 10^60 beside it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from theory.problem import Problem
from verify.kernel import check
from verify.propose import propose
from verify.routes import certify

OFFSETS = [(sign, digits) for digits in (40, 50, 60) for sign in (-1, 1)] + [(0, 1)]


def beside(sign: int, digits: int) -> Fraction:
    return 1 + Fraction(sign, 10**digits)


@pytest.mark.parametrize(("sign", "digits"), OFFSETS)
@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_classes_merge_exactly_from_their_size_on(bias: str, sign: int, digits: int) -> None:
    """Lam N = sqrt(25), and with a weight w lam N = w sqrt(25): equality merges."""
    plain = Problem.ce([(120, 4), (25, 3)], Fraction(1, 111) * beside(sign, digits), bias=bias)
    assert check(json.dumps(propose(plain)))["facts"]["merged"]["values"] == [False, sign >= 0]
    weighted = Problem.ce(
        [(40, 3), (25, 3)], Fraction(15, 195) * beside(sign, digits), bias=bias, weights=[(1, 3), (3, 3)]
    )
    assert check(json.dumps(propose(weighted)))["facts"]["merged"]["values"] == [True, sign >= 0]


@pytest.mark.parametrize(("sign", "digits"), OFFSETS)
@pytest.mark.parametrize("bias", ["none", "free"])
def test_equal_classes_collapse_exactly(bias: str, sign: int, digits: int) -> None:
    facts = check(json.dumps(propose(Problem.ce([(25, 5)], Fraction(1, 25) * beside(sign, digits), bias=bias))))[
        "facts"
    ]
    assert facts["merged"]["values"] == [sign >= 0]
    repeated = Problem.ce([(25, 2), (9, 3), 4], Fraction(5, 81) * beside(sign, digits), bias=bias)
    assert check(json.dumps(propose(repeated)))["facts"]["merged"]["values"] == [sign >= 0, True, None]


@pytest.mark.parametrize(("sign", "digits"), OFFSETS)
def test_relu_features_vanish_exactly(sign: int, digits: int) -> None:
    """x^2 K = n (K - 1) with n = 4 and K = 5; with a weight, x^2 K = w^2 n (K - 1)."""
    plain = Problem.ce([(9, 2), (4, 3)], 1, model="ce-relu").at(Fraction(16, 5) * beside(sign, digits))
    weighted = Problem.ce([(9, 2), (4, 3)], 1, model="ce-relu", weights=[(1, 2), ("1/2", 3)])
    for problem in (plain, weighted.at(Fraction(4, 5) * beside(sign, digits))):
        facts = check(json.dumps(certify(problem)[0]))["facts"]
        assert facts["zero"]["values"] == facts["merged"]["values"] == [False, sign >= 0]


@pytest.mark.parametrize(("sign", "digits"), OFFSETS)
@pytest.mark.parametrize(
    ("counts", "decays", "last", "bias", "at", "tie"),
    [
        ([5, 3], ["3/128", "3/128"], Fraction(2), "none", 1, "tie"),
        ([(4, 3)], ["1/12", "1/9"], Fraction(1, 54), 2, 1, "tie"),
        ([(16, 2)], ["1/32", "1/32"], Fraction(1, 2), "free", 0, "tie"),
        ([6, 4], ["1/5"], Fraction(1, 5), "none", 1, "dead"),
        ([(16, 3)], ["1/12"], Fraction(1, 12), "free", 0, "dead"),
    ],
)
def test_deep_modes_are_alive_tied_or_dead(counts, decays, last, bias, at, tie, sign: int, digits: int) -> None:  # type: ignore[no-untyped-def]
    """Mu^M (M-1)^(M-1) share^(M+1) against M^(2M) N^(M+1) Lam; one layer is dead at equality."""
    problem = Problem.mse(counts, decays, last * beside(sign, digits), bias=bias)
    facts = check(json.dumps(certify(problem)[0]))["facts"]
    assert facts["modes"]["values"][at]["state"] == {-1: "alive", 0: tie, 1: "dead"}[sign]
