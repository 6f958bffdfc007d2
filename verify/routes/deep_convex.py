"""A lower bound on the cross-entropy with several layers from the convex program of one layer."""

from __future__ import annotations

from fractions import Fraction
from math import exp, log

from theory.optimum import Optimum
from theory.problem import Problem
from verify.deep import best_codes
from verify.routes import convex

__all__ = ["solve"]

REASON = "several layers are not a convex problem: the nuclear-norm program gives a lower bound only"
FLOOR, SMALLEST = Fraction(1, 10**9), Fraction(1, 10**12)


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """Lower bound from the nuclear-norm program (route ``convex``).

    With S the nuclear norm of Z D^(1/2) the penalties are at least (L/2) G S^q, q = 2/L. Where S_0 brings them to the
    value of a known point, a minimiser has S <= S_0, hence S^q >= S_0^(q-1) S. So the program of one layer with the
    weight (L/2) G S_0^(q-1) of the nuclear norm is a lower bound.

    Parameters
    ----------
    problem : model ``ce`` with at least two layers and at most 12 classes; any sizes and bias.
    seed, avoid : as for :func:`verify.routes.convex.solve`.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"))
    >>> optimum.lower.str(6, radius=False), optimum.logits
    ('0.111715', None)
    """
    L = problem.depth + 1
    log_price = (log(problem.product.numerator) - log(problem.product.denominator)) / L
    try:
        weight = L / 2 * exp(log_price)
        known = [value * (1 + 1e-9) for value, _, _ in best_codes(problem, 1)] if len(problem.clusters) == 1 else []
        largest = (min([log(problem.K), *known]) / weight) ** (L / 2)
        lam = Fraction(weight * largest ** (2 / L - 1)) * (1 - FLOOR)
    except (ArithmeticError, ValueError) as error:
        return Optimum(problem, "convex", reason=f"does not fit floats: {error}")
    if not SMALLEST < lam < 1 / SMALLEST:
        return Optimum(problem, "convex", reason="the weight of the nuclear norm is out of range of the solvers")
    one = Problem.ce([(run.size, run.repeat) for run in problem.runs], lam, bias=problem.bias, dim=problem.K)
    found = convex.solve(one, seed=seed, avoid=avoid)
    reason = REASON if found.lower is not None else found.reason
    return Optimum(problem, "convex", lower=found.lower, reason=reason, work=found.work)
