"""The four stages of an attack. A slice (stage, index) tries a fixed sequence of configurations for a given seed.

``smallest`` : every count vector, by its sum, in every mode of the claim's family, with every knob and every two, on
    both sides of every threshold and at two levels that fill the range between.
``boundary`` : ties, extreme ratios, single classes, two classes, nearly equal sizes, at relative distances 1e-3, 1e-4,
    1e-6 and 1e-9 of every threshold on both sides and exactly on it; then the levels at which a state, a rank or a
    prediction changes are bisected, so that both sides are tried at all distances down to 1e-11.
``drawn`` : Hypothesis, with the margin as its target.
``optimised`` : differential evolution of the margin over the real parameters, then Nelder-Mead, from the worst seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain, combinations, count, islice, pairwise
from typing import Any, Protocol

from theory.claim import Claim
from theory.problem import Problem
from verify.hunt.attack import Examined
from verify.hunt.spaces import (
    at_vector,
    bases,
    count_vectors,
    drawn_knobs,
    near_thresholds,
    scaled,
    single_knobs,
    spread_levels,
    vector,
)

__all__ = ["STAGES", "Attack", "play"]

STAGES = ("smallest", "boundary", "drawn", "optimised")
Shape = list[tuple[int, int]]
"""(size, repeat) pairs."""
UNEQUAL: list[Shape] = [
    [(10**6, 2), (1, 2)],
    [(10**6, 1), (1, 4)],
    [(1001, 2), (1000, 2), (999, 1)],
    [(10**7, 14), (600, 1), (100, 1)],
]
PLAIN: list[Shape] = [
    shape
    for K in (5, 2, 3, 4, 6, 7)
    for shape in ([(2, K - 1), (1, 1)], [(3, 1), (1, K - 1)], [(K - i, 1) for i in range(K)])
]
PLAIN[3:3] = UNEQUAL
"""Tried first, in this order: one small class, one large class, all sizes different; extreme and nearly equal sizes."""
CLOSE = (Fraction(-1, 100), Fraction(1, 100))
SIDES = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (3, 4, 6, 9) for sign in (-1, 1)))
VECTORS = 8
"""Count vectors in a slice of ``smallest``."""
SERIES = 3
"""Series of slices of ``smallest``, see :func:`vectors_of`."""
SHAPES = 3
"""Lists of classes in a slice of ``boundary``; every other slice bisects changes on one list instead."""
EXAMPLES = 40
GRID = [Fraction(1, 1000), *(Fraction(f"{10 ** (e / 4):.4g}") for e in range(-7, 4)), Fraction(100)]
"""Levels, relative to the largest threshold, between which changes are bisected; both ends are far away."""
TILTED, TILTS = 0.25, ("1/10", "1/2", "2", "10")
"""Chance that the decays of W and H differ, and by which factor each from their mean."""
TRIES = 40
"""Shapes drawn until one satisfies the hypotheses."""
CLOSEST = Fraction(1, 10**11)
BISECTIONS = 200
"""Until changes of state are enclosed that closely (about 34 for one change), or so many configurations in all."""
REACH = 1.5
"""Differential evolution moves every logarithm by at most this."""
PENALTY = 10.0


class Attack(Protocol):
    """Judges one configuration and remembers it."""

    def __call__(self, problem: Problem) -> Examined | None:
        """None where the problem is outside the hypotheses; a confirmed violation ends the slice."""

    def pattern(self, problem: Problem) -> Any:
        """What is discrete about a configuration: states, rank, predicted states."""


def play(stage: str, claim: Claim, index: int, seed: int, starts: Sequence[Problem], attack: Attack) -> None:
    """Try the configurations of one slice.

    Parameters
    ----------
    stage : in :data:`STAGES`.
    claim : its family says what to try.
    index : of the slice, from 0.
    seed : of the hunt.
    starts : the worst configurations so far, for ``optimised``.
    attack : called with every configuration.
    """
    stages: dict[str, Callable[[], None]] = {
        "smallest": lambda: _smallest(claim, index, attack),
        "boundary": lambda: _boundary(claim, _rng(seed, stage, index), index, attack),
        "drawn": lambda: _drawn(claim, _rng(seed, stage, index).getrandbits(32), attack),
        "optimised": lambda: _optimised(claim, _rng(seed, stage, index), starts, index, attack),
    }
    stages[stage]()


def _rng(seed: int, stage: str, index: int) -> random.Random:
    return random.Random(f"{seed}/{stage}/{index}")


# --- smallest cases ----------------------------------------------------------------------------------------------


def _smallest(claim: Claim, index: int, attack: Attack) -> None:
    if index == 0:
        from verify.mutation import probes

        for problem in probes(claim):
            attack(problem)
    for place, counts in enumerate(vectors_of(claim, index), VECTORS * index):
        for base in _modes(claim, counts, index % SERIES, place):
            for problem in (*spread_levels(base, place), *near_thresholds(base, CLOSE)):
                attack(problem)


def vectors_of(claim: Claim, index: int) -> list[tuple[int, ...]]:
    """The count vectors of a slice of ``smallest``, in the order of their sums.

    Slices come in turn from three series: the first mode of the family (its first bias, no knobs); the other modes
    and every knob alone; every two knobs together, on the modes in turn.

    Examples
    --------
    >>> from verify.registry import load
    >>> vectors_of(load()["HL23-04"], 0)[:3]
    [(1, 1), (1, 1, 1), (2, 2)]
    """
    assert claim.family is not None
    every = chain.from_iterable(count_vectors(total, claim.family.sizes) for total in count(2))
    start = VECTORS * (index // SERIES)
    return list(islice(every, start, start + VECTORS))


def _modes(claim: Claim, counts: Sequence[int], series: int, place: int) -> Iterator[Problem]:
    family = claim.family
    assert family is not None
    singles = single_knobs(family, len(counts))
    match series:
        case 0:
            yield from islice(bases(family, counts), 1)
        case 1:
            yield from islice(chain.from_iterable(bases(family, counts, knob) for knob in [{}, *singles]), 1, None)
        case _:
            for turn, (one, other) in enumerate(combinations(singles, 2), place):
                modes = list(bases(family, counts, one | other))
                yield from modes[turn % len(modes) :][:1] if modes else ()


# --- boundary cases ----------------------------------------------------------------------------------------------


def _boundary(claim: Claim, rng: random.Random, index: int, attack: Attack) -> None:
    if index % 2:
        base = _base(claim, rng)
        if base is not None:
            _bisect_changes(base, attack)
        return
    first = SHAPES * (index // 2)
    shapes: list[Shape | None] = [*PLAIN[first : first + SHAPES]] or [None] * SHAPES
    for shape in shapes:
        base = _base(claim, rng) if shape is None else _on(claim, shape, rng)
        for problem in _sides(base, SIDES, rng) if base is not None else ():
            attack(problem)


def _on(claim: Claim, shape: Shape, rng: random.Random) -> Problem | None:
    assert claim.family is not None
    knobs = drawn_knobs(claim.family, [repeat for _, repeat in shape], rng)
    if "weights" in knobs and any(4 * size in dict(shape) for size, _ in shape):  # equal w sqrt(n), different n
        knobs["weights"] = [(2 if 4 * size in dict(shape) else 1, repeat) for size, repeat in shape]
    modes = list(bases(claim.family, shape, knobs))
    return rng.choice(modes) if modes else None


def _base(claim: Claim, rng: random.Random) -> Problem | None:
    """A problem on one of the shapes, at some level inside the hypotheses; None where none was found."""
    assert claim.family is not None
    for _ in range(TRIES):
        sphere = claim.family.model == "ce-sphere"
        base = _on(claim, [(1, rng.randint(2, 9))] if sphere else _shape(rng), rng)
        if base is not None and base.model in ("ce", "ce-relu", "mse") and rng.random() < TILTED:
            base = base.tilted(rng.choice(TILTS), base.dim)
        if base is not None and any(claim.applies(p) for p in _sides(base, CLOSE, rng)):
            return base
    return None


def _sides(base: Problem, offsets: Sequence[Fraction], rng: random.Random) -> list[Problem]:
    """Both sides of every threshold; where the model has none, a few levels."""
    return near_thresholds(base, offsets) or [scaled(base, factor) for factor in rng.sample(GRID, 3)]


def _shape(rng: random.Random) -> Shape:
    """(size, repeat) pairs of one of the shapes that statements forget."""
    big, small, giants = rng.choice([2, 3, 10, 100, 10**3, 10**6]), rng.choice([1, 1, 2, 3]), 10 ** rng.randint(6, 14)
    big += small
    k = rng.randint(2, 6)
    shapes = (
        [(big, 1), (small, 1)],
        [(small, k)],
        [(big, 1), (small, k)],
        [(big, k), (small, 1)],
        [(big, k), (big - 1, 1), (1, rng.randint(1, 3))],
        [(big, rng.randint(1, 3)), (small, rng.randint(2, 4))],
        [(big + step, 1) for step in range(k, 0, -1)],
        [(4 * small + 1, rng.randint(1, 2)), (4 * small, rng.randint(1, 2)), (small, rng.randint(1, 2))],
        [(rng.randint(2, 30), rng.randint(1, 2)) for _ in range(rng.randint(2, 5))],
        [
            (giants, rng.randint(1, 20)),
            *((rng.randint(100, 1500), rng.choice([1, 1, 3])) for _ in range(k // 2)),
            (100, 1),
        ],
    )
    return rng.choice(shapes)


def _bisect_changes(base: Problem, attack: Attack) -> None:
    """Try both sides of every level at which what is discrete changes, observed or predicted."""
    top = near_thresholds(base, (Fraction(0), Fraction(1, 1000)))
    start = top[-1] if top else base
    points = [(factor, _seen(scaled(start, factor), attack)) for factor in GRID]
    known = [(factor, seen) for factor, seen in points if seen is not None]
    changes = [(low, high) for low, high in pairwise(known) if low[1] != high[1]]
    for _ in range(BISECTIONS):
        if not changes:
            return
        low, high = changes.pop()
        middle = ((low[0] + high[0]) / 2).limit_denominator(10**15)
        between = middle, _seen(scaled(start, middle), attack)
        if high[0] - low[0] > CLOSEST * high[0]:
            changes += [pair for pair in ((low, between), (between, high)) if pair[0][1] != pair[1][1]]


def _seen(problem: Problem, attack: Attack) -> Any:
    """The pattern; None outside the hypotheses, and where it would be asked of what has just hung or failed."""
    seen = attack(problem)
    return None if seen is None or seen.outcome in ("error", "timeout") else attack.pattern(problem)


# --- drawn cases -------------------------------------------------------------------------------------------------


def _drawn(claim: Claim, seed: int, attack: Attack) -> None:
    from hypothesis import HealthCheck, Phase, given, settings, target
    from hypothesis import seed as seeded
    from hypothesis.errors import Unsatisfiable

    from verify.sampling import problems

    assert claim.family is not None

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target),
        suppress_health_check=list(HealthCheck),
    )
    @seeded(seed)
    @given(problems(claim.family))
    def attempt(problem: Problem) -> None:
        seen = attack(problem)
        if seen is not None and seen.margin is not None:
            target(seen.margin, label="margin")

    with suppress(Unsatisfiable):
        attempt()


# --- optimised cases ---------------------------------------------------------------------------------------------


def _optimised(claim: Claim, rng: random.Random, starts: Sequence[Problem], index: int, attack: Attack) -> None:
    from scipy.optimize import differential_evolution, minimize

    family = claim.family
    assert family is not None
    base = _base(claim, rng)
    if base is None:
        return
    start = starts[index % len(starts)] if starts and index % 4 else rng.choice(_sides(base, CLOSE, rng))
    centre = vector(start, family)

    def cost(point: Any) -> float:
        seen = attack(at_vector(start, family, list(point)))
        return PENALTY if seen is None or seen.margin is None else -seen.margin

    best = differential_evolution(
        cost,
        [(v - REACH, v + REACH) for v in centre],
        x0=centre,
        maxiter=6,
        popsize=max(2, 24 // len(centre)),
        seed=rng.getrandbits(32),
        polish=False,
        tol=0,
    )
    minimize(cost, best.x, method="Nelder-Mead", options={"maxfev": 60, "xatol": 1e-9, "fatol": 0})
