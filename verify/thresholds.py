"""Every threshold of a problem, as an exact number or a rigorous enclosure; here those of cross-entropy.

A threshold is a value of lam = sqrt(lambda_w lambda_h) at which a direction of the optimum dies; at equality it
is dead. Only x = lam N matters, so thresholds are kept as enclosures of x^2 by rationals. Everything works on
clusters (classes of equal size and weight): the cost does not depend on the number of classes.

A class weight w enters a dual norm through the effective size v = w^2 n and a flow through the mass m = w n.

Why each enclosure holds THE threshold (existence and uniqueness), two clusters A and B with v_A > v_B:

* Complete collapse: Z* = 0 iff x >= |(I - p 1^T) diag(v)^(1/2)|. "No eigenvalue of A A^T above c" is monotone in c
  and decided by the inertia of a 2 x 2 matrix (:func:`_none_above`); bisection needs no uniqueness argument.
* Between groups, free bias: along m_A r_A = m_B r_B both sides of the alive test are proportional to x, and
  S(x) = T_A + T_B is a sum of strictly decreasing functions (log(1 - beta x) and -log x), so S has one zero.
* Between groups, no or penalised bias, at least two classes in A: on the "t = 0" solutions, parametrised by the
  contrast gap a and the bias gap d = d(a), write E = exp(d - a/k_A). The direction is dead iff

      v_A r^2 (k_A E^2 + 2 k_B E - k_B) >= K v_B r_B^2 .

  x, d, r, r_B and E decrease in a. Without bias d = 0 and r_B = 1/K, so where the bracket is positive the left
  side decreases strictly, and elsewhere the direction is alive: one crossing. With a penalty,
  r/r_B = m_B/m_A + e d (k_A + k_B exp(-d))/m_A, e = lambda_b N/K, depends on d only, and the logarithmic derivative of
  (r/r_B)^2 (bracket) in d is positive unless k_B (d - 2) exp(-d) > k_A (d + 2), which needs k_B > 98 k_A and
  d > 2 while d <= log(m_A/m_B). Beyond that the direction can indeed die, revive and die again as lam grows (8
  classes of 355730, 8346 of 1, lambda_b = 1/2000): the curve is scanned, its last crossing enclosed, the verdict says
  so.
* x <= sqrt(v_B) is alive and x >= sqrt(v_A) dead by HL23-10, so what holds between them holds over all lam.

Model ``ce-relu`` without bias has one threshold per cluster, x^2 = v (K-1)/K, exact (DA24-07).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import isqrt, log
from typing import Any

from flint import arb, ctx

from theory.problem import Cluster, Problem
from verify.bracket import Bracket, ball, bisect, expand, fraction, hull, reach, root_decimal, sign_of, widen
from verify.wording import counted

__all__ = ["Threshold", "closed_form", "in_words", "thresholds"]

SCAN_POINTS = 400


@dataclass(frozen=True)
class Threshold:
    """One threshold, in lam = sqrt(lambda_w lambda_h) unless ``parameter`` says otherwise.

    Attributes
    ----------
    claim, name : claim ID and ``cluster_merge``, ``between_groups_dead``, ``complete_collapse``, ``class_zero``,
        ``mode_zero``, ``minority_merge``, ``minority_zero`` or ``minority_orthogonal``.
    count : size of the cluster it belongs to, or None.
    N : number of samples; lam = x/N.
    x2 : rationals (lower, upper) around x^2 = (lam N)^2, equal when it is rational; None with a ``reason``.
    enclosure : for every other parameter, rationals around the parameter itself.
    verdict : ``enclosed``, or ``certified`` when the crossing is proved but its uniqueness only scanned.
    closed_form : the parameter as an expression that SymPy reads, or None.
    consequence : what happens from this value on, for a practitioner.
    digits : significant digits of the printed bounds.
    """

    claim: str
    name: str
    count: Fraction | None
    N: Fraction
    x2: Bracket | None
    consequence: str
    verdict: str = "enclosed"
    reason: str = ""
    closed_form: str | None = None
    digits: int = 30
    at_equality: str = "dead"
    parameter: str = "lam"
    enclosure: Bracket | None = None

    @property
    def value(self) -> arb | None:
        """Ball around the parameter at the current working precision; None when there is no value."""
        if self.enclosure is not None:
            lower, upper = (ball(end) for end in self.enclosure)
            return lower.union(upper)
        if self.x2 is None:
            return None
        lower, upper = (ball(square).sqrt() / ball(self.N) for square in self.x2)
        return lower.union(upper)

    @property
    def bounds(self) -> tuple[str, str] | None:
        """Decimal bounds on the parameter, rounded outward."""
        if self.enclosure is not None:
            lower, upper = (end**2 for end in self.enclosure)
        elif self.x2 is not None:
            lower, upper = (square / self.N**2 for square in self.x2)
        else:
            return None
        return root_decimal(lower, self.digits, up=False), root_decimal(upper, self.digits, up=True)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``verify.thresholds/1``."""
        count: int | str | None = None
        if self.count is not None:
            count = int(self.count) if self.count.denominator == 1 else str(self.count)
        return {
            "claim": self.claim,
            "name": self.name,
            "count": count,
            "parameter": self.parameter,
            "value": None if self.bounds is None else dict(zip(("lower", "upper"), self.bounds, strict=True)),
            "reason": self.reason,
            "closed_form": self.closed_form,
            "at_equality": self.at_equality,
            "verdict": self.verdict,
            "consequence": self.consequence,
        }


@dataclass(frozen=True)
class _Group:
    """Classes that share effective size v = w^2 n and mass m = w n."""

    v: Fraction
    m: Fraction
    classes: int


def thresholds(problem: Problem, digits: int = 30) -> list[Threshold]:
    """Every threshold that applies to the classes, weights and bias of a problem, smallest first.

    Parameters
    ----------
    problem : its weight decays are ignored.
    digits : significant decimal digits of the enclosures.

    Returns
    -------
    list of Threshold
        HL23-04 for every cluster of two or more classes; HL23-08 (no bias), HL23-12 (free) or HL23-07 (penalised)
        for exactly two sizes; HL23-05 (no bias) or HL23-06 for complete collapse. Model ``ce-relu``: DA24-07 for
        every cluster. Other models: see their module in verify/models.

    Raises
    ------
    ValueError
        If ``digits`` is not between 1 and 1000.

    Examples
    --------
    >>> for t in thresholds(Problem.ce([(120, 4), (25, 3)], 1), digits=12):
    ...     print(t.name, t.count, t.bounds, t.closed_form)
    cluster_merge 25 ('0.009009009009', '0.00900900900901') 1/111
    between_groups_dead None ('0.0122315009348', '0.0122315009349') None
    cluster_merge 120 ('0.01973774982', '0.0197377498201') sqrt(120)/555
    complete_collapse None ('0.01973774982', '0.0197377498201') sqrt(120)/555
    """
    if not 1 <= digits <= 1000:
        raise ValueError(f"digits: {digits} is not between 1 and 1000")
    from verify import models

    model = models.of(problem.key)
    if model is not None:
        return model.thresholds(problem, digits)
    return list(_thresholds(replace(problem, lambda_w=Fraction(1), lambda_h=Fraction(1), dim=1), digits))


@lru_cache(maxsize=1024)
def _thresholds(problem: Problem, digits: int) -> tuple[Threshold, ...]:
    if problem.model == "ce-relu":
        return tuple(replace(t, digits=digits) for t in _zeros(problem))
    before, ctx.prec = ctx.prec, 80 + 8 * digits
    try:
        found = [*_merges(problem), *_between(problem, digits), _collapse(problem, digits)]
    finally:
        ctx.prec = before
    found.sort(key=lambda t: (t.x2 is None, t.x2 or (Fraction(0), Fraction(0))))
    return tuple(replace(t, digits=digits) for t in found)


def _zeros(problem: Problem) -> list[Threshold]:
    """Where the features of the classes of each cluster vanish with H >= 0, smallest first (DA24-07)."""
    found = []
    for c in sorted(problem.clusters, key=lambda c: c.weight**2 * c.size):
        x2 = c.weight**2 * c.size * (problem.K - 1) / problem.K
        entry = Threshold(
            claim="DA24-07",
            name="class_zero",
            count=c.size,
            N=problem.N,
            x2=(x2, x2),
            closed_form=closed_form(x2, problem.N),
            consequence=f"From this lam on, all features of the {_classes(c)} are zero "
            "and the model predicts every class with the same probability for them.",
        )
        unknown = replace(
            entry, x2=None, closed_form=None, verdict="undecided", reason="no formula is known with a bias"
        )
        found.append(entry if problem.bias == "none" else unknown)
    return found


def _classes(cluster: Cluster) -> str:
    """A cluster in words; the weight is said only where it is not 1."""
    number = "class" if cluster.classes == 1 else f"{cluster.classes} classes"
    weight = "" if cluster.weight == 1 else f" and loss weight {in_words(cluster.weight)}"
    return f"{number} with {counted(cluster.size, 'sample')}{weight}"


def in_words(number: Fraction) -> str:
    """A number for people: a long fraction as a decimal.

    Examples
    --------
    >>> in_words(Fraction(5, 2)), in_words(Fraction(10**20, 3))
    ('5/2', '3.33333e+19')
    """
    text = str(number)
    return text if len(text) <= 8 else f"{float(number):.6g}"


def _merges(problem: Problem) -> list[Threshold]:
    """Merging, x = w sqrt(n), of every cluster with a contrast (HL23-04)."""
    return [
        Threshold(
            claim="HL23-04",
            name="cluster_merge",
            count=c.size,
            N=problem.N,
            x2=(c.weight**2 * c.size,) * 2,
            closed_form=closed_form(c.weight**2 * c.size, problem.N),
            consequence=f"From this lam on, the {_classes(c)} share one mean feature and one classifier row, so the "
            "model cannot tell them apart.",
        )
        for c in problem.clusters
        if c.classes >= 2
    ]


def _between(problem: Problem, digits: int) -> list[Threshold]:
    """Where the direction that separates the two sizes dies; nothing unless there are exactly two sizes."""
    if len({c.size for c in problem.clusters}) != 2:
        return []
    kind = "penalised" if isinstance(problem.bias, Fraction) else problem.bias
    large, small = (max(problem.clusters, key=lambda c: c.size), min(problem.clusters, key=lambda c: c.size))
    entry = Threshold(
        claim={"none": "HL23-08", "free": "HL23-12", "penalised": "HL23-07"}[kind],
        name="between_groups_dead",
        count=None,
        N=problem.N,
        x2=None,
        consequence="From this lam on, nothing separates the classes with "
        f"{counted(large.size, 'sample')} from those with {small.size}: the direction between the "
        "two groups carries no signal.",
    )
    weighted = any(c.weight != 1 for c in problem.clusters)
    if len(problem.clusters) > 2 or (weighted and kind == "penalised"):
        why = "a penalised bias" if len(problem.clusters) == 2 else "different weights among classes of one size"
        return [replace(entry, verdict="undecided", reason=f"no formula is known for class weights with {why}")]
    pair = [_Group(c.weight**2 * c.size, c.weight * c.size, c.classes) for c in problem.clusters]
    a, b = sorted(pair, key=lambda g: (g.v, g.m), reverse=True)
    try:
        x2, remark = _between_square(a, b, problem, digits)
    except ArithmeticError as error:
        return [replace(entry, verdict="undecided", reason=str(error))]
    if remark:
        entry = replace(entry, verdict="certified", reason=remark)
    return [replace(entry, x2=x2, closed_form=closed_form(x2[0], problem.N) if x2[0] == x2[1] else None)]


def _between_square(a: _Group, b: _Group, problem: Problem, digits: int) -> tuple[Bracket, str]:
    """Enclosure of x^2 at the between-group threshold (v_A >= v_B), and a remark where it may not be the only one."""
    K = a.classes + b.classes
    if problem.bias == "none" and a.v == b.v:
        return (a.v, a.v), ""
    if problem.bias == "none" and a.classes == 1:
        square = (a.v * b.classes + b.v) / K
        return (square, square), ""
    if problem.bias == "free":
        if a.classes == 1 and a.v == a.m and b.v == b.m:
            square = K * a.m * b.m / problem.N
            return (square, square), ""
        return _between_free(a, b, digits), ""
    if a.classes == 1:
        return _collapse_square(_groups(problem), problem, digits), ""
    return _between_curve(a, b, problem, digits)


def _between_free(a: _Group, b: _Group, digits: int) -> Bracket:
    """Zero of S(x) = T_A + T_B along m_A r_A = m_B r_B (HL23-12)."""
    K = a.classes + b.classes
    norm = ball(K * (a.v * b.classes * b.m**2 + b.v * a.classes * a.m**2)).sqrt()

    def mean_log(own: _Group, other: _Group, r: arb, x: Fraction) -> arb:
        k = own.classes
        shrink = ball(x) / ball(own.v).sqrt() if k > 1 and x * x < own.v else arb(1)
        total = ((k - other.classes * r - (k - 1) * shrink) / k).log() - k * r.log()
        if k > 1:
            total += (k - 1) * ((shrink - other.classes * r) / k).log()
        return total / k

    def sign(x: Fraction) -> int:
        r_a, r_b = ball(x * b.m) / norm, ball(x * a.m) / norm
        if b.classes * r_a >= 1 or a.classes * r_b >= 1:
            return 1
        return -sign_of(mean_log(a, b, r_a, x) + mean_log(b, a, r_b, x))

    lower, upper = bisect(sign, *expand(sign, Fraction(isqrt(int(b.v)) + 1)), digits + 2)
    return lower**2, upper**2


@dataclass(frozen=True)
class _Curve:
    """The t = 0 solutions of two clusters, at least two classes in A, parametrised by the contrast gap of A."""

    a: _Group
    b: _Group
    penalty: Fraction | None
    digits: int

    def rates(self, gap: Fraction) -> tuple[arb, arb, arb]:
        """E, r and r_B at a contrast gap."""
        k, other = self.a.classes, self.b.classes
        own, sibling = ball(gap * (k - 1) / k).exp(), ball(-gap / k).exp()

        def at(d: arb) -> tuple[arb, arb, arb]:
            e = d.exp()
            return sibling * e, 1 / (e * (own + (k - 1) * sibling) + other), 1 / (k + other / e)

        if self.penalty is None:
            return at(arb(0))
        stiff, m_a, m_b = ball(self.penalty), ball(self.a.m), ball(self.b.m)

        def sign(d: Fraction) -> int:
            """Of e d - m_A r + m_B r_B, which increases in d."""
            point = ball(d)
            _, r, r_b = at(point)
            return sign_of(stiff * point - m_a * r + m_b * r_b)

        return at(hull(bisect(sign, *widen(sign), self.digits)))

    def alive(self, gap: Fraction) -> int:
        """+1 alive, -1 dead, 0 undecided."""
        k, other = self.a.classes, self.b.classes
        E, r, r_b = self.rates(gap)
        margin = ball(self.a.v) * r * r * (k * E * E + 2 * other * E - other) - (k + other) * ball(self.b.v) * r_b * r_b
        return -sign_of(margin)

    def square(self, gap: Fraction) -> arb:
        """x^2, decreasing in the gap."""
        E, r, _ = self.rates(gap)
        u = r * (self.a.classes * E + self.b.classes)
        return ball(self.a.v) * u * u


def _between_curve(a: _Group, b: _Group, problem: Problem, digits: int) -> tuple[Bracket, str]:
    """Last crossing of the alive test along the t = 0 solutions (HL23-08, HL23-07), a remark unless it is alone."""
    penalty = problem.bias * problem.N / problem.K if isinstance(problem.bias, Fraction) else None
    curve = _Curve(a, b, penalty, digits + 10)
    remark = ""
    if penalty is not None and b.classes > 98 * a.classes and log(a.m / b.m) > 2:
        (lower, upper), *others = _crossings(replace(curve, digits=10))
        remark = "the crossing is enclosed; that it is the only one was scanned, not proved"
        if others:
            at = ", ".join(f"{float(curve.square(near).sqrt()) / float(problem.N):.3g}" for near, _ in reversed(others))
            remark = f"not the only crossing: as lam grows, the direction also dies and revives in turn near lam = {at}"
    else:
        lower, upper = Fraction(0), reach(curve.alive, 1, Fraction(1), Fraction(2))
    near, far = bisect(curve.alive, lower, upper, digits + 10)
    return (fraction(curve.square(far).lower()), fraction(curve.square(near).upper())), remark


def _crossings(curve: _Curve) -> list[Bracket]:
    """Intervals of the contrast gap in which a scan sees the alive test change sign, largest x first.

    The scan ends at the first gap with x^2 < v_B; the direction is alive from there on.
    """
    end = reach(lambda gap: sign_of(ball(curve.b.v) - curve.square(gap)), 1, Fraction(1), Fraction(2))
    points = [end * i / SCAN_POINTS for i in range(1, SCAN_POINTS + 1)]
    inside = [gap for gap in points if curve.square(gap) > ball(curve.b.v)]
    signs = [(Fraction(0), -1), *((gap, s) for gap in inside if (s := curve.alive(gap))), (end, 1)]
    return [(gap, after) for (gap, s), (after, t) in pairwise(signs) if s != t]


def _collapse(problem: Problem, digits: int) -> Threshold:
    """Where Z* vanishes altogether (HL23-05 without bias, HL23-06 with)."""
    predicted = {"none": "the same probability for every class", "free": "the class frequencies"}
    if any(c.weight != 1 for c in problem.clusters):
        predicted["free"] = "the class frequencies multiplied by the class weights"
    entry = Threshold(
        claim="HL23-05" if problem.bias == "none" else "HL23-06",
        name="complete_collapse",
        count=None,
        N=problem.N,
        x2=None,
        consequence="From this lam on, all features and classifier rows are zero; for every input the model predicts "
        f"{predicted.get(str(problem.bias), 'the class frequencies, drawn towards equal ones by the bias penalty')}.",
    )
    groups = _groups(problem)
    try:
        x2 = _collapse_square(groups, problem, digits)
    except ArithmeticError as error:
        return replace(entry, verdict="undecided", reason=str(error))
    closed = closed_form(x2[0], problem.N) if x2[0] == x2[1] else _quadratic_form(groups, problem)
    return replace(entry, x2=x2, closed_form=closed)


def _collapse_square(groups: Sequence[_Group], problem: Problem, digits: int) -> Bracket:
    """Squared norm of (I - p 1^T) diag(v)^(1/2), p the prediction at Z = 0."""
    exact = _collapse_exact(groups, problem)
    if exact is not None:
        return exact, exact
    p = _base_rates(groups, problem, digits)
    top = max(g.v for g in groups)
    tops = [i for i, g in enumerate(groups) if g.v == top]
    if sum(groups[i].classes for i in tops) == 1:
        lower = max(g.v for g in groups if g.v < top)
    elif len(tops) == 1 and _top_is_largest(groups, p, tops[0]):
        return top, top
    else:
        lower = top
    upper = reach(lambda c: _none_above(c, groups, p), 1, 2 * top, Fraction(2))
    return bisect(lambda c: _none_above(c, groups, p), lower, upper, digits + 2)


def _collapse_exact(groups: Sequence[_Group], problem: Problem) -> Fraction | None:
    """The rational cases without bias or with a free bias and no weights: repeated largest size, two sizes."""
    unweighted = all(g.v == g.m for g in groups)
    if problem.bias != "none" and not unweighted:
        return None
    first, *rest = sorted(groups, key=lambda g: g.v, reverse=True)
    if first.classes >= 2:
        return first.v
    if len(rest) > 1 or isinstance(problem.bias, Fraction):
        return None
    # sum k_c c_c/(v_c - m) = 0 is linear in m for two clusters; c = 1 without bias, n with a free bias
    one, many = (first.v, rest[0].v * rest[0].classes) if problem.bias == "free" else (Fraction(1), rest[0].classes)
    return (one * rest[0].v + many * first.v) / (one + many)


def _base_rates(groups: Sequence[_Group], problem: Problem, digits: int) -> list[arb]:
    """Class probabilities at Z = 0: uniform, class frequencies (weighted), or softmax of the penalised bias."""
    mass = sum((g.m * g.classes for g in groups), Fraction(0))
    if problem.bias == "none":
        return [1 / arb(problem.K)] * len(groups)
    if not isinstance(problem.bias, Fraction):
        return [ball(g.m / mass) for g in groups]
    # lambda_b N b_k + mass p_k = m_k with p_k = exp(b_k - s): each p_k(s) is a Lambert function that decreases in s
    ratio = problem.bias * problem.N / mass

    def rates(s: arb) -> list[arb]:
        stiff = ball(ratio)
        return [stiff * ((ball(g.m / mass / ratio) - s).exp() / stiff).lambertw() for g in groups]

    def sign(s: Fraction) -> int:
        total = sum((g.classes * p for g, p in zip(groups, rates(ball(s)), strict=True)), arb(0))
        return sign_of(1 - total)

    return rates(hull(bisect(sign, *widen(sign), digits + 10)))


def _none_above(c: Fraction, groups: Sequence[_Group], p: Sequence[arb]) -> int:
    """+1 if no eigenvalue of V^(1/2) (I - 1 p^T)(I - p 1^T) V^(1/2) exceeds c, -1 if one does, 0 undecided.

    The matrix is V plus a matrix of rank two. By Haynsworth's inertia formula the number of eigenvalues above c
    is (number of v above c) - 1 + (number of positive eigenvalues of [[-f0, -c g1], [-c g1, -c g2]]).
    """
    if any(g.v == c for g in groups):
        return 0
    point = ball(c)
    inverse = [g.classes / (ball(g.v) - point) for g in groups]
    f0 = sum((ball(g.v) * y for g, y in zip(groups, inverse, strict=True)), arb(0))
    g1 = sum((q * y for q, y in zip(p, inverse, strict=True)), arb(0))
    g2 = sum((q * q * y for q, y in zip(p, inverse, strict=True)), arb(0))
    determinant = sign_of(f0 * g2 - point * g1 * g1)
    if determinant < 0:
        positive = 1
    elif determinant > 0 and sign_of(f0):
        positive = 2 if f0 < 0 else 0
    else:
        return 0
    above = sum(g.classes for g in groups if g.v > c) - 1 + positive
    return 1 if above == 0 else -1


def _top_is_largest(groups: Sequence[_Group], p: Sequence[arb], top: int) -> bool:
    """Whether no eigenvalue is proved to exceed the largest effective size (sign of the secular function's residue)."""
    K = sum(g.classes for g in groups)
    residue = p[top] * p[top] * K
    for g, q in zip(groups, p, strict=True):
        if g.v != groups[top].v:
            residue -= ball(groups[top].v / (groups[top].v - g.v)) * g.classes * (p[top] - q) * (p[top] - q)
    return sign_of(residue) > 0


def _quadratic_form(groups: Sequence[_Group], problem: Problem) -> str | None:
    """Closed form of complete collapse for three sizes, the largest one unique (larger root of a quadratic)."""
    free = problem.bias == "free" and all(g.v == g.m for g in groups)
    if len(groups) != 3 or not (free or problem.bias == "none"):
        return None
    weights = [g.classes * (g.v if free else 1) for g in groups]
    v = [g.v for g in groups]
    lead = sum(weights, Fraction(0))
    middle = sum((w * (sum(v) - own) for w, own in zip(weights, v, strict=True)), Fraction(0))
    last = sum((w * v[i - 1] * v[i - 2] for i, w in enumerate(weights)), Fraction(0))
    return f"sqrt(({middle} + sqrt({middle**2 - 4 * lead * last}))/({2 * lead}))/({problem.N})"


def _groups(problem: Problem) -> list[_Group]:
    """Classes by effective size and mass; without bias the mass plays no part."""
    found: dict[tuple[Fraction, Fraction], int] = {}
    for c in problem.clusters:
        v = c.weight**2 * c.size
        key = (v, v if problem.bias == "none" else c.weight * c.size)
        found[key] = found.get(key, 0) + c.classes
    return [_Group(v, m, classes) for (v, m), classes in found.items()]


def closed_form(x2: Fraction, N: Fraction) -> str:
    """Lam = sqrt(x2)/N as SymPy reads it."""
    square = x2 / N**2
    numerator, denominator = isqrt(square.numerator), isqrt(square.denominator)
    if numerator**2 == square.numerator and denominator**2 == square.denominator:
        return str(Fraction(numerator, denominator))
    with_N = f"sqrt({x2})/{N}" if N.denominator == 1 else f"sqrt({x2})/({N})"
    alone = f"sqrt({square})"
    return alone if 4 * len(alone) < 3 * len(with_N) else with_N
