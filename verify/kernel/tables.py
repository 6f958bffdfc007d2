"""Matrices that are constant on groups of equal classes; group g has m_g of them.

A table [h][g] holds an entry of a class of group h in the column of a class of group g; on its diagonal, that of
another class of the same group (a sibling). In the orthonormal basis (contrasts of groups, indicators of groups over
sqrt(m)) such a matrix is block diagonal: own minus sibling entry on the m_g - 1 contrasts of a group, a G x G block on
the rest. A file offers such points; the optimum is not assumed to be one: bounds hold for the full problem.
"""

from typing import Any, NamedTuple

from flint import arb, arb_mat, ctx

from .core import MAX_GROUPS, Array, balls, count_above, demand, interval, read_array


class Blocks(NamedTuple):
    """Such a matrix: own entries, and ``others[h][g]``. For a group of one class the sibling means nothing."""

    own: list[Any]
    others: list[list[Any]]


def seen(m: list[int], g: int, column: Any) -> Any:
    """Sum of a column over all classes but one of group g."""
    return sum((n - (h == g)) * x for h, (n, x) in enumerate(zip(m, column, strict=True)) if n > (h == g))


def grouped(full: Any, found: Any) -> list[Any]:
    """The groups: clusters, tuples that end in the number of classes, or with ``full`` every class alone."""
    demand(type(full) is bool, "full is not a boolean")
    demand((sum(m for *_, m in found) if full else len(found)) <= MAX_GROUPS, "too many groups")
    return [(*values, 1) for *values, m in found for _ in range(m)] if full else found


def read_point(data: Any, m: list[int], dim: float, **more: tuple[int, int]) -> dict[str, Array]:
    """Arrays gaps (1 x G), W and H (G x r) of a point, and ``more`` of given shapes, of which flows are a table.

    The point has the logits W H^T between groups and gaps_g (I - J/m_g) inside group g, in m_g - 1 coordinates more.
    """
    shapes = {"gaps": (1, len(m)), "W": (len(m), None), "H": (len(m), None), **more}
    demand(isinstance(data, dict) and set(data) == set(shapes), "not a witness")
    arrays = {name: read_array(data[name], *shape) for name, shape in shapes.items()}
    (W, H, (gaps,)), flows = (arrays[name][1] for name in ("W", "H", "gaps")), arrays.get("flows", (0, []))[1]
    width = len(W[0]) + sum(n - 1 for n, a in zip(m, gaps, strict=True) if a)
    demand(len(W[0]) == len(H[0]), "W and H differ in width")
    demand(width <= dim, f"the point has width {width}, the features only {dim}")
    demand(all(n > 1 or not (gaps[g] or (flows and flows[g][g])) for g, n in enumerate(m)), "a class without siblings")
    return arrays


def log_probabilities(m: list[int], point: dict[str, Array], bias: Any = 0) -> Blocks:
    """Logarithms of the softmax of the logits of a point, with a bias."""
    (W, H, (gaps,)), own, others = (balls(point[name]) for name in ("W", "H", "gaps")), [], []
    Z = (arb_mat(H) * arb_mat(W).transpose()).tolist()
    for g, (n, a, z) in enumerate(zip(m, gaps, Z, strict=True)):
        z = [x + b for x, b in zip(z, bias or [0] * len(m), strict=True)]
        top, z[g] = z[g] + a * (n - 1) / n, z[g] - a / n
        loss = seen(m, g, [(x - top).exp() for x in z]).log1p()
        own.append(-loss)
        others.append([x - top - loss for x in z])
    return Blocks(own, [list(row) for row in zip(*others, strict=True)])


def near(point: Blocks, kl: list[Any]) -> Blocks:
    """Log-probabilities with KL(p* || p) or KL(p || p*) <= kl in every column (nan: unknown).

    Data processing to two outcomes, Taylor: (p* - p)^2 <= 2 kl max(p, p*), so |log p*/p| <= -log(1 - sqrt(2 kl/p)).
    """
    rows = []
    for row in (point.own, *point.others):
        r = [(2 * t / p.exp()).sqrt() for p, t in zip(row, kl, strict=True)]
        rows.append([p + arb(0, -(-x).log1p()) if x < 1 else arb("nan") for p, x in zip(row, r, strict=True)])
    return Blocks(rows[0], rows[1:])


def centred(m: list[int], A: Blocks) -> Blocks:
    """Subtracts the mean of every column."""
    means = [(x + seen(m, g, [row[g] for row in A.others])) / sum(m) for g, x in enumerate(A.own)]
    own, *others = ([x - mean for x, mean in zip(row, means, strict=True)] for row in (A.own, *A.others))
    return Blocks(own, others)


def spectrum(m: list[int], A: Blocks, scale: list[Any]) -> tuple[list[Any], Any]:
    """Contrast values and quotient block of A diag(scale)."""
    G, roots = range(len(m)), [arb(n).sqrt() for n in m]
    own = [A.own[g] + (m[g] - 1) * A.others[g][g] if m[g] > 1 else A.own[g] for g in G]
    block = [[(own[g] if h == g else roots[h] * roots[g] * A.others[h][g]) * scale[g] for g in G] for h in G]
    return [(A.own[g] - A.others[g][g]) * scale[g] for g in G], arb_mat(block)


def radius(A: Any) -> Any:
    """Above the Frobenius norm of the radii, so above the distance of singular values from those of A.mid() (Weyl)."""
    return (sum(x.rad() * x.rad() for x in A.entries()).sqrt() + arb(2) ** -ctx.prec).upper()


def rank_above(X: Any) -> int:
    """Number of singular values that certainly are not 0."""
    return count_above(X.mid(), radius(X)) if all(x.is_finite() for x in X.entries()) else 0


def pick(A: Blocks, m: Any, full: bool) -> Blocks:
    """A table per cluster of m classes; in full form the first two classes of a cluster stand for it."""
    C, first = range(len(m)), [sum(m[:c]) if full else c for c in range(len(m))]
    other = [k + (full and n > 1) for k, n in zip(first, m, strict=True)]
    rows = [[A.others[other[c] if h == c else first[h]][first[c]] for c in C] for h in C]
    return Blocks([A.own[k] for k in first], rows)


def facts(m: list[int], Z: Blocks) -> dict[str, Any]:
    """A matrix as JSON data."""
    cross = [[interval(x) if h != g else None for g, x in enumerate(row)] for h, row in enumerate(Z.others)]
    sibling = [interval(row[g]) if m[g] > 1 else None for g, row in enumerate(Z.others)]
    return {"own": [interval(x) for x in Z.own], "sibling": sibling, "cross": cross}
