"""The judge on readings made by hand: right, wrong, too wide, not finite, exactly at a threshold."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from flint import arb

from theory.claim import Asymptotic, Root
from theory.problem import Problem
from theory.symbols import dead, dead_exact, n, p, q, x
from verify.balls import Undecided, ball, decide, distance, precision, resolve
from verify.judge import LIMIT_SCALES, ReadingError, judge, judge_limit, sound

PROBLEM = Problem.ce([2, 1], "0.1")


def judged(relation, reading, route="enclosure"):
    (finding,) = judge([relation], [reading], route)
    return finding.outcome


@pytest.mark.parametrize(
    ("relation", "value", "route", "expected"),
    [
        (sp.Eq(p, 0, evaluate=False), arb(0, 1e-12), "enclosure", "holds"),
        (sp.Eq(p, 0, evaluate=False), arb(1e-11, 1e-12), "enclosure", "violated"),
        (sp.Eq(p, 0, evaluate=False), arb(0, 1e-3), "enclosure", "undecided"),
        (sp.Eq(p, 0, evaluate=False), arb(3e-20, 3e-20), "enclosure", "holds"),
        (sp.Lt(p, 0, evaluate=False), arb(-3e-20, 3e-20), "enclosure", "undecided"),
        (sp.Eq(p, 0, evaluate=False), arb(1e-11, 1e-12), "exact", "holds"),
        (sp.Eq(p, 0, evaluate=False), arb("nan"), "enclosure", "undecided"),
        (sp.Eq(p, 0, evaluate=False), arb(0, "inf"), "enclosure", "undecided"),
        (sp.Le(p, 1, evaluate=False), arb(1, 1e-12), "enclosure", "holds"),
        (sp.Lt(p, 1, evaluate=False), arb(1, 1e-12), "enclosure", "undecided"),
        (sp.Lt(p, 1, evaluate=False), arb(2), "enclosure", "violated"),
        (sp.Ge(p, 1, evaluate=False), arb(0), "enclosure", "violated"),
        (sp.Gt(p, 1, evaluate=False), arb(2), "enclosure", "holds"),
        (sp.Ne(p, 1, evaluate=False), arb(2), "enclosure", "holds"),
        (sp.Ne(p, 1, evaluate=False), arb(1, 1e-20), "enclosure", "undecided"),
    ],
)
def test_comparison(relation, value, route, expected):
    assert judged(relation, {p: value}, route) == expected


@pytest.mark.parametrize(
    ("condition", "state", "exact", "expected"),
    [
        (x >= sp.sqrt(n), True, None, "holds"),
        (x >= sp.sqrt(n), None, True, "holds"),
        (x > sp.sqrt(n), None, True, "violated"),
        (x >= sp.sqrt(n), None, None, "undecided"),
        (x >= n, True, None, "violated"),
        (x >= n, None, True, "undecided"),
    ],
)
def test_state(condition, state, exact, expected):
    reading = {x: sp.Integer(5), n: sp.Integer(25), dead: state, dead_exact: exact}
    assert judged(sp.Equivalent(dead, condition), reading) == expected


@pytest.mark.parametrize(
    ("rhs", "order", "expected"),
    [
        ("3", 1, "holds"),
        ("3 + 1/100", 1, "violated"),
        ("3 + 2/L", 2, "holds"),
        ("3 + 1/L", 2, "violated"),
        ("sqrt(L)", 1, "violated"),
    ],
)
def test_limit(rhs, order, expected):
    L = sp.Symbol("L", positive=True)
    scales = [[{p: 3 + arb(2) / scale + arb(7) / scale**2, L: sp.Integer(scale)}] for scale in LIMIT_SCALES]
    (finding,) = judge_limit([Asymptotic(p, sp.sympify(rhs, {"L": L}), order)], scales)
    assert finding.outcome == expected


def test_a_ball_that_is_not_finite_is_undecided():
    with pytest.raises(Undecided):
        ball(sp.log(p), {p: arb(0, 1)})
    with pytest.raises(Undecided):
        ball(1 / p, {p: arb(0, 1)})


def test_floats_in_claims_are_refused():
    with pytest.raises(TypeError, match="exact"):
        ball(p + 0.1, {p: arb(1)})


@pytest.mark.parametrize("offset", [sp.Integer(0), sp.Rational(1, 10**60), -sp.Rational(1, 10**60)])
def test_inequalities_between_algebraic_numbers_are_decided_exactly(offset):
    reading = {x: sp.sqrt(2) + sp.sqrt(3), n: sp.sqrt(5 + 2 * sp.sqrt(6)) + offset}
    assert decide(x >= n, reading) is bool(offset <= 0)
    assert decide(x > n, reading) is bool(offset < 0)
    assert (distance(x >= n, reading) == 0) == (offset == 0)


def test_overlapping_balls_decide_nothing():
    assert decide(x >= n, {x: arb(1, 1e-3), n: arb(1, 1e-3)}) is None
    assert decide(sp.And(x >= n, x >= 5), {x: arb(1, 1e-3), n: arb(1, 1e-3)}) is False


def test_roots_are_enclosed_also_next_to_singular_ends_and_on_half_lines():
    t, s = sp.symbols("t s", positive=True)
    reading = {
        s: Root(s, sp.log(s) + s, sp.Integer(0), sp.Integer(1)),
        t: Root(t, t - 1000 * s, sp.Integer(0), sp.oo),
    }
    with precision(200):
        values = resolve(reading)
        assert abs(float(values[s]) - 0.5671432904097838) < 1e-15
        assert abs(float(values[t]) - 567.1432904097838) < 1e-12
        assert float(values[s].rad()) < 1e-50


def test_a_root_without_a_sign_change_is_undecided():
    t = sp.Symbol("t", positive=True)
    with pytest.raises(Undecided):
        resolve({t: Root(t, t**2 + 1, sp.Integer(0), sp.Integer(2))})


def test_probability_symbols_are_the_ones_claims_use():
    assert judged(sp.Eq(p - q, 0, evaluate=False), {p: arb(1), q: arb(1)}) == "holds"


@pytest.mark.parametrize("relation", [sp.Gt, sp.Lt, sp.Ne])
def test_exact_equality_violates_what_is_strict(relation):
    relation = relation(p, 0, evaluate=False)
    (finding,) = judge([relation], [{p: arb(0)}], "enclosure")
    assert finding.outcome == "violated"
    (finding,) = judge([relation], [{p: arb(0, 1e-30)}], "enclosure")
    assert finding.outcome == "undecided"
    (finding,) = judge([relation], [{p: arb(0)}], "nonconvex")
    assert finding.outcome == "undecided"


@pytest.mark.parametrize(
    ("reading", "says"),
    [
        ({p: 0.5}, "p is read as 0.5, a float: readings are balls, integers or rationals"),
        ({p: np.float64(0.5)}, "a float"),
        ({p: sp.Float(0.5) * sp.pi}, "a float"),
        ({p: sp.oo}, "leave out what is infinite"),
        ({p: "half"}, "p is read as 'half', a str: readings are balls"),
        ({p: None}, "p is read as None, but is a number"),
        ({p: np.bool_(True)}, "p is read as True, but is a number"),
        ({"p": sp.Integer(1)}, "a dictionary from SymPy symbols"),
        ([p], "a list: a reading is a dictionary"),
    ],
)
def test_what_is_no_reading_is_refused_by_name_and_rule(reading, says):
    with pytest.raises(ReadingError, match=says):
        sound(reading)


def test_whole_numbers_and_fractions_of_python_are_readings():
    found = sound({p: 2, q: Fraction(1, 3), n: np.int64(4), dead: np.bool_(True), x: arb(1)})
    assert (found[p], found[q], found[n], found[dead]) == (2, sp.Rational(1, 3), 4, True)
    assert all(isinstance(found[s], sp.Rational) for s in (p, q, n))
    assert found[dead] is True
