"""Thresholds of the cross-entropy with several layers, and which problems of it to draw.

Above some common weight decay all layers vanish. It is known exactly for two classes of equal size only; for more
classes it lies between what block codes still beat and where the lower bound proves zero optimal, and the reason says
both numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from flint import arb
from hypothesis import strategies as st

from theory.claim import Family
from theory.deep_observables import at_price
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball, fraction
from verify.deep import critical_code, critical_frame
from verify.thresholds import Threshold

__all__ = ["around", "at_threshold", "problems", "thresholds"]

MOST_CLASSES = 8
LARGEST = 64
FAR = [Fraction(97, 100), *(Fraction(1, d) for d in (5, 50, 1000)), Fraction(2, 3), Fraction(5, 2), Fraction(100)]
"""G_n over its value where frame and zero tie."""
OFFSETS = [sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)]


def thresholds(problem: Problem, digits: int) -> list[Threshold]:
    """Common weight decay from which on everything vanishes; see :class:`verify.models.Model`.

    Examples
    --------
    >>> [t.bounds for t in thresholds(Problem.ce([(1, 2)], [1] * 4, 1), 8)]
    [('0.17172169', '0.1717217')]
    >>> thresholds(Problem.ce([(1, 3)], [1, 1], 1), 8)[0].reason
    'between lam = 0.194186 (the code 2+1 beats zero) and 0.234141 (zero is the only minimiser)'
    """
    entry = Threshold(
        claim="DA23-25",
        name="complete_collapse",
        count=None,
        N=problem.N,
        x2=None,
        consequence="From this common weight decay on, all layers and features are zero.",
        at_equality="tie",
        digits=digits,
    )
    if len(problem.clusters) > 1 or problem.K > LARGEST:
        return [replace(entry, verdict="undecided", reason="known for equal sizes (and at most 64 classes) only")]
    bits = 128 + 8 * digits
    with precision(bits):
        L = problem.depth + 1
        root = (ball(problem.clusters[0].size).log() / L).exp()
        proved = critical_frame(problem.K, problem.depth, bits)[1] / root
        if problem.K == 2:
            return [replace(entry, enclosure=(fraction(proved.lower()), fraction(proved.upper())))]
        tie, blocks = critical_code(problem.K, min(problem.layer_widths), problem.depth)
        least, most = (float(g) for g in (tie / root, proved))
    names = "+".join(map(str, blocks))
    reason = f"between lam = {least:.6g} (the code {names} beats zero) and {most:.6g} (zero is the only minimiser)"
    return [replace(entry, verdict="undecided", reason=reason)]


def at_threshold(problem: Problem) -> bool:
    """Never: at a tie exp(a) and a power of a with a rational exponent meet; no rational problem is known there."""
    return False


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """Problems with G_n at relative distances from where frame and zero tie (``near`` holds 'frame'), 0 left out.

    Examples
    --------
    >>> [p.product < 1 for p in around(Problem.ce([(1, 3)], [1, 1], 1), ("frame",), [Fraction(0), Fraction(1, 10)])]
    [True]
    """
    if "frame" not in near or len(problem.clusters) > 1 or problem.depth < 2:
        return []
    tie = _frame_tie(problem.K, problem.depth)
    return [at_price(problem, tie * (1 + offset)) for offset in offsets if offset]


@lru_cache(maxsize=256)
def _frame_tie(classes: int, depth: int) -> Fraction:
    """G_n where the best frame ties with zero, to 30 digits."""
    with precision(160):
        scale = arb(10) ** 30
        return Fraction(int((critical_frame(classes, depth, 160)[0] * scale).mid().floor().unique_fmpz()), 10**30)


@st.composite
def problems(draw: st.DrawFn, family: Family) -> Problem:
    """Problems with 2 to 8 classes and 2 to 6 layers, around and far from the tie of frame and zero.

    Sizes are equal unless the family says otherwise; decays differ by up to 10^4; 'any' dimensions go below K - 1.
    """
    K = draw(st.integers(2, MOST_CLASSES))
    sizes = st.one_of(st.just(1), st.integers(2, 500), st.integers(10**3, 10**6))
    depth = draw(st.sampled_from([M for M in family.depths if M > 1] or [2, 3, 4, 5, 6]))
    equal = family.sizes == "balanced"
    counts = [(draw(sizes), K)] if equal else [(draw(sizes), 1) for _ in range(K)]
    mode = draw(st.sampled_from(family.bias))
    widths = st.sampled_from([K, K, K - 1, K + 2] if family.dims == "wide" else [1, K - 1, K])
    near = [1 + offset for offset in OFFSETS] if family.near else []
    price = _short(_frame_tie(K, depth) * draw(st.sampled_from([*FAR, *near])))
    base = Problem.ce(
        counts,
        [price * Fraction(10) ** draw(st.integers(-2, 2)) for _ in range(depth)],
        1,
        bias=Fraction(1, 10 ** draw(st.integers(0, 4))) if mode == "penalised" else mode,
        widths=[max(1, draw(widths)) for _ in range(depth)],
    )
    return at_price(base, price)


def _short(value: Fraction) -> Fraction:
    """The value to nine digits."""
    return Fraction(f"{float(value):.8e}")
