"""The optimum of model ``mse`` from the formulas of the paper.

Modes by DA23-02 and DA23-19 (free bias) or DA23-22 (penalised bias, equal classes); p and its threshold by DA23-03,
the value by DA23-15, logits and Gram matrices by DA23-14. A penalised bias on unequal classes: descent on the K
variables of DA23-23.

Beside the fields of an optimum (the bias is NOT centred, ``contrasts`` says whether the class means of a cluster
vanish), routes of this model give in ``facts``, for every minimiser and as far as they hold for all of them:

* ``modes``: K balls, squared singular values of the (centred) labels, descending; not with a penalised bias.
* ``mode_states``: K of 'alive', 'dead', 'tie' (both are optimal), None, after the rank budget.
* ``mode_values``: K balls p, a mode of the logits times D^(1/2) over that of the labels.
* ``factor_squares``: squared norms of W_M, ..., W_1, H; ``factor_values``: their squared singular values (those of
  Hbar D^(1/2) for H), K each, descending.
* ``top_gram``: W_M W_M^T. ``data``: the loss without penalties. ``trace``: trace of the logits, bias excluded.
* ``unique``: whether the minimiser is unique up to rotations of the inner spaces.
* ``alternatives``: where it is not, some minimisers as dictionaries of ``value`` (evaluated at the logits and
  features),
  ``rank``, ``logits``, ``gram_features``, ``gram_classifier``.
* ``point_logits``, ``point_features``, ``point_classifier``: of the point that a descent found (route ``nonconvex``).
"""

from __future__ import annotations

from typing import Any

from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.mse import Mode, Solved, largest_root, modes, rate, separable, state
from verify.mse_minimiser import facts, penalised
from verify.routes.mse_convex import assess

__all__ = ["solve"]

BITS = 320
USES = frozenset({"DA23-02", "DA23-03", "DA23-14", "DA23-15"})


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 0) -> Optimum:
    """The optimum from its formulas; the radius is that of the arithmetic (route ``exact``).

    Parameters
    ----------
    problem : model ``mse``.
    seed, avoid : unused; there is nothing but the formulas, ``uses`` says so.
    digits : more digits than the usual 90.

    Examples
    --------
    >>> optimum = solve(Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049"))
    >>> optimum.upper.str(12, radius=False), optimum.contrasts
    ('0.409074917004', ('alive', 'alive', 'dead'))
    """
    if not separable(problem):
        return _penalised(problem)
    with precision(max(BITS, int(digits * 3.33) + 64)):
        found = [_solved(problem, mode) for mode in modes(problem)]
        if any(one.state is None for one in found):
            return Optimum(problem, "exact", reason="a mode is too close to its threshold")
        value = _value(problem, found)
        uses = USES | {"none": frozenset(), "free": frozenset({"DA23-19"})}.get(
            str(problem.bias), frozenset({"DA23-22"})
        )
        return Optimum(problem, "exact", lower=value, upper=value, uses=uses, **facts(problem, found))


def _penalised(problem: Problem) -> Optimum:
    """DA23-23; with one layer the problem is convex and a gap gives radii, with more the descent is an opinion."""
    value, b, layers, H = penalised(problem)
    if problem.depth == 1:
        return Optimum(problem, "exact", uses=frozenset({"DA23-23"}), **assess(problem, layers[0] @ H, b))
    around = arb(value, 1e-12 * value)
    reason = "minimum over b from several starts, not proved to be global: a value only"
    return Optimum(problem, "exact", lower=around, upper=around, uses=frozenset({"DA23-23"}), reason=reason)


def _solved(problem: Problem, mode: Mode) -> Solved:
    """DA23-03 and DA23-14; at a tie the larger of the two minimisers."""
    now = state(problem, mode)
    if now != "alive" and now != "tie":
        return Solved(mode, now, arb(0), arb(0), arb(0), arb(0))
    M, N, share = problem.depth, ball(problem.N), ball(mode.share)
    p = largest_root(M, rate(problem, mode)) if now == "alive" else ball(1) * (M - 1) / M
    spread = share * p * (1 - p) / N
    weight = N * ball(problem.lambda_h) / share
    return Solved(mode, now, p, mode.ball * spread, spread / ball(problem.lambda_h), weight * p / (1 - p))


def _value(problem: Problem, found: list[Solved]) -> Any:
    """DA23-15: the loss at zero less the gain of every alive mode with room."""
    M, total = problem.depth, arb(0)
    for one in found:
        gain = one.p * (M * one.p - (M - 1))
        total += ball(one.mode.share) * one.mode.ball * (one.mode.copies - one.mode.kept * gain)
    return total / (2 * ball(problem.N))
