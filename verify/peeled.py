"""Model ``layer-peeled`` when n_k w_k takes two values: thresholds and the scalar system of FA21-09, in balls.

Majority A: K_A classes, minority B: K_B classes, R = n_A w_A/(n_B w_B) >= 1 the ratio of their masses, and
T = K sqrt(E_W E_H) the budget of the nuclear norm. By symmetry and uniqueness the logits are

    Z = a C_A + b C_B + u ((s/w) 1_A - (t/w) 1_B)^T,   C_j = I - J/K_j on group j,
    u = (K_B 1_A - K_A 1_B)/sqrt(K_A K_B K),   w = sqrt(K/(K_A K_B)),   |Z|_* = (K_A - 1) a + (K_B - 1) b + r,

r = sqrt(K_A s^2 + K_B t^2)/w. The multiplier mu of |Z|_* <= T is in units of the mass of a minority class.

Thresholds. At mu = 1 the minority is about to merge, b = 0, and t >= 0 parametrises every solution of the system: with
q = 1/(K_A + K_B exp(t)), beta = sqrt((1/K - K_A q^2)/K_B), alpha = (1 - K_B beta)/K_A,

    s = t K_B beta/(K_A q),   a = K_A (s - log(alpha/beta)),   R = 1 - alpha + beta exp(a (1 - 1/K_A) + s)

(for K_A = 1: a = 0, R = beta (exp(s) + K_B)). q and alpha decrease in t, the rest increases, so T and R increase: the
merging ratio R_0 is the only one for its budget. mu is continuous in R, below 1 at R = 1 and above 1 for large R, so
the minority is merged exactly from R_0 on. R_1, where it vanishes, is explicit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import arb, arb_mat, arb_series, ctx

from theory.optimum import State
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import Bracket, ball, bisect, expand, fraction, hull, sign_of

__all__ = [
    "Group",
    "Pair",
    "Scalars",
    "contrast_states",
    "facts_of",
    "groups",
    "merge_ratio",
    "scalars_of",
    "solve_pair",
    "zero_ratio",
]

PATH_BITS = 128
GUESS_DIGITS = 30
MAX_STEPS = 400


@dataclass(frozen=True)
class Group:
    """All classes of one mass; ``mass`` is w n/N, the coefficient of one class in the loss."""

    mass: Fraction
    members: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.members)


@lru_cache(maxsize=256)
def groups(problem: Problem) -> tuple[Group, ...]:
    """Classes of equal mass n_k w_k, largest mass first: the optimum sees nothing else of sizes and weights.

    Examples
    --------
    >>> [(str(g.mass), g.members) for g in groups(Problem.peeled([8, 2, 4], weights=["1/2", 2, 2]))]
    [('4/7', (2,)), ('2/7', (0, 1))]
    """
    members: dict[Fraction, list[int]] = {}
    for c in problem.clusters:
        members.setdefault(c.size * c.weight / problem.N, []).extend(c.members)
    return tuple(Group(mass, tuple(sorted(members[mass]))) for mass in sorted(members, reverse=True))


@dataclass(frozen=True)
class Pair:
    """Numbers of classes of the two groups and the squared budget T^2."""

    a: int
    b: int
    T2: Fraction

    @property
    def K(self) -> int:
        """Number of classes."""
        return self.a + self.b

    @property
    def T(self) -> Any:
        """Ball around the budget at the current precision."""
        return ball(self.T2).sqrt()

    def coupling(self, s: Any, t: Any) -> Any:
        """r, the singular value of the direction between the groups."""
        return (ball(Fraction(self.a * self.b, self.K)) * (self.a * s * s + self.b * t * t)).sqrt()


# --- thresholds ------------------------------------------------------------------------------------------------


def _at_merging(pair: Pair, t: Any) -> tuple[Any, Any, Any, Any]:
    """a, s, |Z|_* and R on the curve mu = 1, b = 0 (module docstring)."""
    q = 1 / (pair.a + pair.b * t.exp())
    beta = ((ball(Fraction(1, pair.K)) - pair.a * q * q) / pair.b).sqrt()
    s = t * pair.b * beta / (pair.a * q)
    if pair.a == 1:
        return arb(0), s, pair.coupling(s, t), beta * (s.exp() + pair.b)
    alpha = (1 - pair.b * beta) / pair.a
    a = pair.a * (s - (alpha / beta).log())
    ratio = 1 - alpha + beta * (a * (pair.a - 1) / pair.a + s).exp()
    return a, s, (pair.a - 1) * a + pair.coupling(s, t), ratio


@lru_cache(maxsize=512)
def _merge_parameter(pair: Pair, digits: int) -> Bracket:
    """Bracket of the t of the merging threshold: |Z|_* increases in t."""
    with precision(80 + 8 * digits):

        def sign(t: Fraction) -> int:
            return sign_of(_at_merging(pair, ball(t))[2] - pair.T)

        return bisect(sign, *expand(sign, Fraction(1)), digits)


def merge_ratio(pair: Pair, digits: int = 30) -> Any:
    """Ball around R_0: two or more minority classes coincide in every minimiser iff R >= R_0.

    Examples
    --------
    >>> merge_ratio(Pair(3, 2, Fraction(25))).str(12, radius=False)
    '2.17188298297'
    """
    with precision(80 + 8 * digits):
        lower, upper = (_at_merging(pair, ball(t))[3] for t in _merge_parameter(pair, digits + 10))
        return lower.union(upper)


def zero_ratio(pair: Pair, digits: int = 30) -> Any:
    """Ball around R_1: logits and features of the minority vanish in every minimiser iff R >= R_1; None for never.

    At a = T/(K_A - 1), s = t = b = 0 the direction between the groups is dead iff
    K (R^2 K_B p_B^2 + K_A/K^2) <= R^2 (K_A p_o + K_B p_B)^2, which is R >= R_1 or never. T is algebraic and exp(T/K_A)
    is not, so neither T = T_c nor a rational R_1 ever occurs.

    Examples
    --------
    >>> zero_ratio(Pair(3, 2, Fraction(25))).str(12, radius=False), zero_ratio(Pair(3, 2, Fraction(33)))
    ('6.61054720631', None)
    """
    if pair.a == 1:
        return None
    with precision(80 + 8 * digits):
        a = pair.T / (pair.a - 1)
        p_b = (-a * (pair.a - 1) / pair.a).exp()
        leak = pair.a * (-a).exp() + pair.b * p_b
        bracket = leak * leak - pair.K * pair.b * p_b * p_b
        if bracket <= 0:
            return None
        own = 1 + (pair.a - 1) * (-a).exp() + pair.b * p_b
        return own * (ball(Fraction(pair.a, pair.K)) / bracket).sqrt()


# --- the scalar system -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scalars:
    """The optimum of two groups in balls; ``mu`` in units of the mass of a minority class."""

    a: Any
    b: Any
    s: Any
    t: Any
    r: Any
    mu: Any
    merged: bool
    zero: bool


@dataclass(frozen=True)
class _System:
    """The equations of FA21-09 in logarithms for log R, in the unknowns that are not known to be 0."""

    pair: Pair
    merged: bool

    @property
    def names(self) -> list[str]:
        """Unknowns in order; ``m`` is log mu."""
        return ["a"] * (self.pair.a > 1) + ["b"] * (self.pair.b > 1 and not self.merged) + ["s", "t", "m"]

    def residuals(self, x: list[Any], log_ratio: Any) -> list[Any]:
        """Zero at the solution; entries of ``x`` are balls or series."""
        pair, v = self.pair, dict(zip(self.names, x, strict=True))
        a, b, s, t, m = (v.get(name, arb(0)) for name in "abstm")
        kA, kB, K, R = pair.a, pair.b, pair.K, log_ratio.exp()
        o, B = (-a).exp(), (-a * (kA - 1) / kA - s).exp()
        q, A = (-b).exp() if "b" in v else arb(1), (-b * (kB - 1) / kB - t).exp()
        Q, Q2 = 1 + (kA - 1) * o + kB * B, 1 + (kB - 1) * q + kA * A
        p_B, q_A = B / Q, A / Q2
        equations = [((kA * o + kB * B) / Q).log() + log_ratio - m] if "a" in v else []
        equations += [((kB * q + kA * A) / Q2).log() - m] if "b" in v else []
        equations.append((K * (R * R * kB * p_B * p_B + kA * q_A * q_A)).log() - 2 * m)
        equations.append((s * kA * q_A).log() - (t * R * kB * p_B).log())
        equations.append((a * (kA - 1) + b * (kB - 1) + pair.coupling(s, t)) / pair.T - 1)
        return equations

    def linearised(self, x: list[Any], log_ratio: Any) -> tuple[Any, Any]:
        """Residuals (n x 1) and Jacobian (n x n), both enclosed over the balls x."""
        n, columns, cap = len(x), [], ctx.cap
        try:
            ctx.cap = 2
            for k in range(n):
                moved = [arb_series([xi, arb(int(i == k))]) for i, xi in enumerate(x)]
                columns.append(self.residuals(moved, log_ratio))
        finally:
            ctx.cap = cap
        return arb_mat([[f[0]] for f in columns[0]]), arb_mat([[columns[k][i][1] for k in range(n)] for i in range(n)])

    def newton(self, x: list[Any], log_ratio: Any, digits: int) -> list[Any] | None:
        """Newton's iteration on midpoints; None when it does not settle quickly."""
        small = arb(10) ** -digits
        for _ in range(60):
            F, J = self.linearised(x, log_ratio)
            try:
                step = J.solve(F, algorithm="approx")
            except ZeroDivisionError:
                return None
            new = [(xi - step[i, 0]).mid() for i, xi in enumerate(x)]
            if not all(v.is_finite() for v in new) or not all(v > 0 for v in new[:-1]):
                return None
            length = max(abs(step[i, 0]) / (v if i < len(x) - 1 else 1 + abs(v)) for i, v in enumerate(new))
            x = new
            if length < small:
                return x
            if length > 2:
                return None
        return None

    def follow(self, x: list[Any], start: Any, end: Any) -> list[Any]:
        """Continue a solution from log R = start to end, in steps as long as Newton allows."""
        at, step, last = start, (end - start) / 2, None
        for _ in range(MAX_STEPS):
            if at == end:
                return x
            to = end if abs(end - at) <= abs(step) else (at + step).mid()
            guess = x
            if last is not None:
                share = (to - at) / (at - last[0])
                guess = [(v + share * (v - w)).mid() for v, w in zip(x, last[1], strict=True)]
                guess = guess if all(v > 0 for v in guess[:-1]) else x
            found = self.newton(guess, ball(fraction(to)), 6)
            if found is None:
                step = step / 3
            else:
                last, x, at, step = (at, x), found, to, step * 2
        raise ArithmeticError("the scalar system was not solved")

    def enclose(self, x: list[Any], log_ratio: Any, digits: int) -> list[Any]:
        """Balls that hold one root and no other (Krawczyk): K(X) = x - C F(x) + (I - C F'(X)) (X - x) inside X."""
        radius = [abs(v) * arb(10) ** -digits for v in x[:-1]] + [arb(10) ** -digits]
        box = [v + arb(0, 1) * e for v, e in zip(x, radius, strict=True)]
        F, J = self.linearised(x, log_ratio)[0], self.linearised(box, log_ratio)[1]
        C = J.mid().inv().mid()
        n = len(x)
        inner = arb_mat([[b - v] for b, v in zip(box, x, strict=True)])
        slack = arb_mat([[arb(int(i == j)) for j in range(n)] for i in range(n)]) - C * J
        image = slack * inner - C * F
        if not all(abs(image[i, 0]) < radius[i] for i in range(n)):
            raise ArithmeticError("the root of the scalar system was not enclosed")
        return [v + image[i, 0] for i, v in enumerate(x)]


@lru_cache(maxsize=512)
def solve_pair(pair: Pair, ratio: Fraction, digits: int = 40) -> Scalars:
    """The optimum of two groups from the thresholds and the scalar system (FA21-09), enclosed.

    Parameters
    ----------
    pair : sizes of the groups and budget.
    ratio : mass of a majority class over mass of a minority class, above 1.
    digits : decimal digits of the scalars.

    Raises
    ------
    ArithmeticError
        If no solution is enclosed, or the ratio is too close to a threshold.

    Examples
    --------
    >>> x = solve_pair(Pair(3, 2, Fraction(25)), Fraction(3, 2))
    >>> [v.str(12, radius=False) for v in (x.a, x.b, x.s, x.t, x.mu)]
    ['1.65544578395', '0.628738320777', '0.388571705578', '0.491946846560', '0.837530749915']
    """
    with precision(64 + 7 * digits):
        R = ball(ratio)
        vanished = _vanished(pair, R)
        if vanished is not None:
            return vanished
        merged = pair.b > 1 and bool(
            merge_ratio(pair, GUESS_DIGITS) <= R
        )  # a guess: the sign of mu - 1 is checked below
        system = _System(pair, merged)
        with precision(PATH_BITS):
            start, x = _start(system)
            x = system.follow(x, start, R.log().mid())
        refined = system.newton(x, R.log(), digits + 8)
        if refined is None:
            raise ArithmeticError("the scalar system was not solved")
        x = system.enclose(refined, R.log(), digits)
        v = dict(zip(system.names, x, strict=True))
        a, b = v.get("a", arb(0)), v.get("b", arb(0))
        mu = v["m"].exp()
        if not all(y > 0 for y in x[:-1]) or (pair.b > 1 and not (mu >= 1 if merged else mu < 1)):
            raise ArithmeticError("the ratio is too close to a threshold")
        return Scalars(a, b, v["s"], v["t"], pair.coupling(v["s"], v["t"]), mu, merged, False)


def _vanished(pair: Pair, R: Any) -> Scalars | None:
    """The solution s = t = b = 0, where it satisfies the condition under which these equations are dropped."""
    if pair.a == 1:
        return None
    a = pair.T / (pair.a - 1)
    o, B = (-a).exp(), (-a * (pair.a - 1) / pair.a).exp()
    own = 1 + (pair.a - 1) * o + pair.b * B
    mu, p_b = R * (pair.a * o + pair.b * B) / own, B / own
    push = pair.K * R * R * pair.b * p_b * p_b + ball(Fraction(pair.a, pair.K))
    if push > mu * mu:
        return None
    if not (push <= mu * mu and (pair.b == 1 or mu >= 1)):
        raise ArithmeticError("the ratio is too close to a threshold")
    return Scalars(a, arb(0), arb(0), arb(0), arb(0), mu, True, True)


def _start(system: _System) -> tuple[Any, list[Any]]:
    """A solution to begin with: equal masses, or the merging threshold; with its log R."""
    pair = system.pair
    if not system.merged:
        gap = pair.T / (pair.K - 1)
        known = {"a": gap, "b": gap, "s": gap / pair.a, "t": gap / pair.b}
        e = (-gap).exp()
        known["m"] = (pair.K * e / (1 + (pair.K - 1) * e)).log()
        return arb(0), [known[name].mid() for name in system.names]
    t = hull(_merge_parameter(pair, GUESS_DIGITS))
    a, s, _, ratio = _at_merging(pair, t)
    known = {"a": a, "s": s, "t": t, "m": arb(0)}
    return ratio.log().mid(), [known[name].mid() for name in system.names]


# --- all closed forms ------------------------------------------------------------------------------------------


def scalars_of(problem: Problem, digits: int) -> tuple[Scalars, Any, str]:
    """Scalars of the optimum for at most two masses, the multiplier of |Z|_* <= T, and the claim that supplied them.

    For one mass K_B = 0 and Z = a (I - J/K). ``mu`` is 0 where the minority has weight 0.

    Raises
    ------
    ArithmeticError
        As :func:`solve_pair`.
    """
    found, K, zero = groups(problem), problem.K, arb(0)
    if len(found) == 1:
        gap = ball(problem.budget2).sqrt() / (K - 1)
        e = (-gap).exp()
        mu = K * e / (1 + (K - 1) * e)
        return Scalars(gap, zero, zero, zero, zero, mu, False, False), mu * ball(found[0].mass), "FA21-01"
    pair = Pair(found[0].classes, found[1].classes, problem.budget2)
    if found[1].mass:
        x = solve_pair(pair, found[0].mass / found[1].mass, digits)
        return x, x.mu * ball(found[1].mass), "FA21-09"
    x = _unweighted(pair)
    o, B = (-x.a).exp(), (-x.a * (pair.a - 1) / pair.a - x.s).exp()
    leak = pair.a * o + pair.b * B if pair.a > 1 else arb(K * pair.b).sqrt() * B
    return x, ball(found[0].mass) * leak / (1 + (pair.a - 1) * o + pair.b * B), "FA21-07"


def _unweighted(pair: Pair) -> Scalars:
    """The minority has weight 0 (R = infinity)."""
    T, zero = pair.T, arb(0)
    root = ball(Fraction(pair.b, pair.K)).sqrt()
    a, s = zero, T / root
    if pair.a > 1:
        kappa = root / (1 + root)
        excess = T + pair.a * (pair.a - 1) * kappa.log()
        a, s = T / (pair.a - 1), zero
        if excess > 0:
            a = (T - pair.a * root * kappa.log()) / (pair.a - 1 + root)
            s = a / pair.a + kappa.log()
        elif not excess < 0:
            raise ArithmeticError("the budget is too close to a threshold")
    return Scalars(a, zero, s, zero, pair.coupling(s, zero), zero, True, bool(s.is_zero()))


# --- what every route says -------------------------------------------------------------------------------------


def contrast_states(problem: Problem, states: Sequence[State]) -> tuple[State, ...]:
    """State of the contrast of every cluster from those of the groups: classes of equal mass share one.

    Examples
    --------
    >>> contrast_states(Problem.peeled([3, 3, 1]), ("alive", "dead"))
    ('alive', 'absent')
    """
    owner = {k: state for group, state in zip(groups(problem), states, strict=True) for k in group.members}
    return tuple("absent" if c.classes == 1 else owner[c.ranges[0][0]] for c in problem.clusters)


def facts_of(problem: Problem, multiplier: Any, minority: State) -> dict[str, Any]:
    """The facts by name (see :mod:`verify.routes.peeled_exact`)."""
    found = groups(problem)
    facts: dict[str, Any] = {"multiplier": multiplier, "T": ball(problem.budget2).sqrt()}
    if len(found) > 1:
        facts["minority_zero"] = minority
    if len(found) == 2 and found[1].mass:
        facts |= {"ratio": found[0].mass / found[1].mass, "mu": multiplier / ball(found[1].mass)}
    return facts
