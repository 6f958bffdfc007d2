"""Model ``ce-sphere``: sum_i log(1 + sum_{j != i} exp(a <v_j - v_i, u_i>)) over unit vectors in R^d, a the temperature.

Witness, integers over a power of two: ``U`` and ``V`` (n x r, r <= d), one vector per row, normalised here (one family:
V has no rows), and ``kernel`` (1 x m, m may be 0), real numbers mu_k that give a lower bound for one family.
No reduced form: the vectors differ. Notation: A = a n/(n-1), phi(x) = log(1 + (n-1) exp(-x)), L* = n phi(A).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

from flint import arb, arb_mat, arb_poly, ctx

from . import core
from .core import MAX_GROUPS, Array, Outcome, Undecided, ball, balls, bounds, demand, interval, read_array

MAX_DEGREE, MAX_BOXES, MAX_TEMPERATURE = 200, 2000, 10**4


@dataclass(frozen=True)
class Task:
    """The problem and the points offered."""

    n: int
    dim: int
    a: Fraction
    families: int
    arrays: dict[str, Array]
    precisions: list[int]


def read(data: dict[str, Any]) -> Task:
    """Task with shapes, caps and nonzero vectors checked on integers."""
    options, counts, witness = data["options"], data["counts"], data["witness"]
    demand(set(options) == {"dim", "temperature", "families"}, "unexpected options")
    ((size, n),) = core.runs(counts)
    demand(size == 1 and n >= 2, "one vector per class is needed")
    dim, a = core.whole(options["dim"], 1), core.number(options["temperature"])
    families = core.whole(options["families"], 1)
    demand(n <= MAX_GROUPS and families <= 2 and a <= MAX_TEMPERATURE, "too large")
    demand(isinstance(witness, dict) and set(witness) == {"U", "V", "kernel"}, "not a witness")
    shapes = {"U": n, "V": n * (families == 2), "kernel": 1}
    arrays = {name: read_array(witness[name], rows, None if rows else 0) for name, rows in shapes.items()}
    width = len(arrays["U"][1][0])
    for row in arrays["U"][1] + arrays["V"][1]:
        demand(len(row) == width and any(row), "a vector vanishes, or U and V differ in width")
    demand(width <= dim, f"the vectors have {width} entries, the space only {dim} dimensions")
    degree = len(arrays["kernel"][1][0]) - 1
    demand(degree <= MAX_DEGREE and (degree < 0 or families == 1), "a kernel of low degree bounds one family only")
    bits = core.precisions([array[0] for array in arrays.values()], max(n, degree // 2))
    return Task(n, dim, a, families, arrays, bits)


def gram(task: Task) -> Any:
    """Matrix of the <u_i, v_j>."""
    units = []
    for name in ("U", "V" if task.families == 2 else "U"):
        table = balls(task.arrays[name])
        norms = [sum(x * x for x in row).sqrt() for row in table]
        units.append(arb_mat([[x / norm for x in row] for row, norm in zip(table, norms, strict=True)]))
    return units[0] * units[1].transpose()


def objective(task: Task, Z: Any) -> Any:
    """The objective at <u_i, v_j> = Z_ij."""
    a, n = ball(task.a), range(task.n)
    return sum(sum((a * (Z[i, j] - Z[i, i])).exp() for j in n if j != i).log1p() for i in n)


# --- lower bounds ------------------------------------------------------------------------------------------------


def phi(task: Task, x: Any) -> Any:
    """log(1 + (n-1) exp(-x))."""
    return ((task.n - 1) * (-x).exp()).log1p()


def simplex_bound(task: Task) -> Any:
    """L*, a lower bound for every d and both families.

    With m_i = A <v_i - vbar, u_i> and mbar their mean, L - L* is the sum of three terms that are not negative:
    s1 = L - sum_i phi(m_i) (Jensen, over j), s2 = sum_i phi(m_i) - n phi(mbar) (Jensen, over i),
    s3 = n phi(mbar) - n phi(A), since mbar <= A (Cauchy-Schwarz) and phi decreases.
    """
    return task.n * phi(task, ball(task.a * task.n / (task.n - 1)))


def stability(task: Task, gap: Any) -> tuple[Any, Any]:
    """(delta, E): what L - L* <= gap says about unit vectors u_i, v_j.

    delta: phi is convex, so s3 <= gap gives mbar >= A (1 - delta), delta = gap/(n A |phi'(A)|). As mbar/A is at most
    sqrt((1 - |vbar|^2)(1 - |ubar|^2)), both |vbar|^2 and |ubar|^2 are at most 2 delta, |ubar| |vbar| <= delta and
    sum_i (1 - <u_i, v_i>) <= 2 n delta. So the mean of <u_i, v_j> over j != i is at most shift - 1/(n-1).
    E: let y_ij be the excess of a <u_i, v_j> over its mean over j != i, at least -r = -a (1 + shift - 1/(n-1)). Then
    exp(y) >= 1 + y + y^2 exp(-r)/2, so s1 >= sum_i log1p(p_i exp(-r) sum_j y_ij^2/(2(n-1))), where
    1/p_i = 1 + exp(m_i)/(n-1) and m_i <= A (1 + |vbar|). A product of 1 + c_i is at least 1 + sum_i c_i, which
    bounds sum_ij y_ij^2, hence |<u_i, v_j> + 1/(n-1)| <= E for j != i.
    """
    n, a = task.n, ball(task.a)
    A = ball(task.a * n / (task.n - 1))
    delta = gap * (1 + A.exp() / (n - 1)) / (n * A)  # |phi'(x)| = 1/(1 + exp(x)/(n-1))
    mean = (2 * delta).sqrt()
    shift = n * (mean + 2 * delta) / (n - 1)
    squares = 2 * (n - 1) * (a * (1 + shift - 1 / arb(n - 1))).exp() * gap.expm1()
    squares *= 1 + (A * (1 + mean)).exp() / (n - 1)
    return delta, squares.sqrt() / a + shift


def is_simplex(task: Task, gap: Any) -> bool:
    """Whether L - L* <= gap forces the rank of (<u_i, v_j>) to be at least n - 1.

    The simplex has the matrix (n I - 1 1^T)/(n-1) with n - 1 singular values n/(n-1). If every entry differs from it by
    less than 1/(n-1), the Frobenius distance is below n/(n-1): the rank is not smaller (Eckart-Young).
    """
    delta, E = stability(task, gap)
    return bool(1 / arb(task.n - 1) > arb.max(E, 2 * task.n * delta))


def deficit_bound(task: Task) -> Any:
    """Some g > 0 with L - L* > g for every point when d < n - 1, where the rank is at most d."""
    for k in range(ctx.prec // 2):
        g = arb(2) ** -k
        if is_simplex(task, g):
            return g
    return arb(0)


def line_bound(task: Task) -> Any:
    """The minimum for d = 1, where every vector is 1 or -1.

    For given v the best u_i is v_i (every <v_j - v_i, u_i> is then 0 or -2, otherwise 0 or 2), so only the number m
    of v_i = 1 matters.
    """
    n, rare = task.n, (-2 * ball(task.a)).exp()
    values = [m * (m + (n - m) * rare).log() + (n - m) * (n - m + m * rare).log() for m in range(1, n // 2 + 1)]
    least = n * arb(n).log()
    for value in values:
        least = arb.min(least, value)
    return least


def nonnegative(f: Any) -> bool:
    """Whether a polynomial is proved to be positive on [-1, 1], by bisection of Taylor expansions."""
    boxes = [(arb(0), arb(1))]
    for _ in range(MAX_BOXES):
        if not boxes:
            return True
        centre, radius = boxes.pop()
        first, *rest = f(arb_poly([centre, radius])).coeffs()
        if first < 0:
            return False
        if not first > sum(abs(c) for c in rest):
            half = radius / 2
            boxes += [(centre - half, half), (centre + half, half)]
    raise Undecided("too many boxes for the sign of a polynomial")


def harmonics(dim: int, degree: int) -> list[tuple[int, Any]]:
    """(N_k, C_k) for d >= 2: dimension of the harmonics of degree k, Gegenbauer polynomial with C_k(1) = 1."""
    t = arb_poly([0, 1])
    N, C = [1, dim], [arb_poly([1]), t]
    for k in range(1, degree):
        C.append((t * C[k] * (2 * k + dim - 2) - C[k - 1] * k) * (1 / arb(k + dim - 2)))
        N.append(comb(k + dim, k + 1) - comb(k + dim - 2, k - 1))
    return list(zip(N, C, strict=True))[: degree + 1]


def kernel_bound(task: Task) -> Any:
    """For one family n (log(n mu_0^2 + exp(a) - p(1)) - a), p = sum_k mu_k^2 N_k C_k, q = sum_k mu_k N_k C_k.

    Proved here: q >= 0 and p <= exp(a t) on [-1, 1] (exp is at least its Taylor polynomial of odd degree). By the
    addition theorem p = q * q on the sphere. With c = exp(a) - p(1) >= 0, the empirical measure m of the v_i and the
    density h = q * m, of integral mu_0: sum_j exp(a <v_i, v_j>) >= c + n p * m = c + n q * h at v_i. And q/mu_0 is a
    Markov kernel, so log(c + n q * h) >= (q/mu_0) * log(c + n mu_0 h) (Jensen). Its mean over m is the integral of
    s log(c + n mu_0^2 s) for the probability density s = h/mu_0, at least log(c + n mu_0^2) (Jensen: s log(c + b s) is
    convex).
    """
    a, (mu,), p, q = ball(task.a), balls(task.arrays["kernel"]), arb_poly([0]), arb_poly([0])
    demand(mu[0] > 0, "the kernel has no positive mean")
    for m, (N, C) in zip(mu, harmonics(task.dim, len(mu) - 1), strict=True):
        q += C * (m * N)
        p += C * (m * m * N)
    taylor = [arb(1)]
    while len(taylor) < 2 * len(mu) + 80:  # an even number of terms
        taylor.append(taylor[-1] * a / len(taylor))
    demand(nonnegative(q) and nonnegative(arb_poly(taylor) - p), "the kernel is not below exp, or has a negative root")
    return task.n * ((task.n * mu[0] * mu[0] + a.exp() - p(arb(1))).log() - a)


# --- the proof ---------------------------------------------------------------------------------------------------


def prove(task: Task, digest: str) -> Outcome:
    """Bounds, and inner products of every minimiser where d >= n - 1."""
    upper, lower = objective(task, gram(task)), simplex_bound(task)
    if task.dim >= task.n - 1:
        return _with_facts(task, bounds(lower, upper, digest))
    lower += deficit_bound(task)
    if task.dim == 1:
        lower = arb.max(lower, line_bound(task))
    elif task.arrays["kernel"][1][0]:
        lower = arb.max(lower, kernel_bound(task))
    return bounds(lower, upper, digest)


def _with_facts(task: Task, result: Outcome) -> Outcome:
    """Every minimiser is within the gap of L*."""
    gap, n, one = (result.upper - result.lower).upper(), task.n, arb(1)
    delta, E = stability(task, gap)
    own, other, turn = one, -one / (n - 1) + arb(0, E.upper()), arb(0)
    if task.families == 2:
        own = one.union(one - 2 * n * delta)
        turn = 2 * (n * delta).sqrt()  # |u_i - v_i|^2 = 2 (1 - <u_i, v_i>)
    result.found = {
        "own": own,
        "other": other,
        "gram": -one / (n - 1) + arb(0, (E + turn).upper()),
        "mean_norm": arb(0).union((2 * delta).sqrt()),
        "distance": arb(0).union(turn),
    }
    result.rank = ((n - 1) * is_simplex(task, gap), min(task.dim, n))
    result.facts = {"rank": {"uses": [], "lower": result.rank[0], "upper": result.rank[1]}}
    result.facts |= {name: {"uses": [], "value": interval(x)} for name, x in result.found.items()}
    return result
