"""Models ``ce``, ``ce-relu`` and ``layer-peeled`` with a Fenchel-Young loss and the knobs of weights and logits.

The loss of a sample of class k with logits z is Om(u) - <y_k, u> + c |y_k|^2 at u = Delta * z + iota_k, Om convex. With
its conjugate, Om(u) >= <q, u> - Om*(q) wherever Om* is finite (Fenchel-Young), with equality at q = grad Om(u).

Witness, integers over a power of two: ``dual`` (K x K, column k is q_k), ``W`` and ``H`` (K x r each, H one mean
feature per class), ``bias`` (1 x K), and for ``layer-peeled`` ``nu`` (1 x 1), a bound on the norm of the dual matrix.
There is no reduced form: targets may tell any two classes apart.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

from flint import arb, arb_mat, ctx

from .core import (
    MAX_GROUPS,
    Outcome,
    Undecided,
    ball,
    bounds,
    count_above,
    demand,
    interval,
    number,
    precisions,
    read_array,
    runs,
    whole,
)
from .polar import polar_logits

LOSSES = {
    "ce": "logsumexp",
    "margin": "logsumexp",
    "ldam": "logsumexp",
    "squared": "squared",
    "sparsemax": "sparsemax",
    "ovr": "softplus",
    "hinge": "max",
}
SIMPLEX = ("logsumexp", "sparsemax", "max")
KNOBS = (
    "loss",
    "smoothing",
    "adjustment",
    "scaling",
    "loss_temperature",
    "feature_decay",
    "row_decay",
    "targets",
    "class_weights",
    "dim",
)
OWN = {
    "ce": ("lambda_w", "lambda_h", "bias"),
    "ce-relu": ("lambda_w", "lambda_h", "bias"),
    "layer-peeled": ("e_w", "e_h"),
}


@dataclass(frozen=True)
class Task:
    """The problem and the points offered; per-class numbers are lists of K rationals."""

    model: str
    loss: str
    parameter: Fraction
    first: Fraction  # lambda_w, or e_w
    second: Fraction  # lambda_h, or e_h
    penalty: Fraction | None
    dim: int
    sizes: list[Fraction]
    weights: list[Fraction]
    r: list[Fraction]
    s: list[Fraction]
    adjustment: Fraction
    scaling: Fraction
    temperature: Fraction
    targets: list[list[Fraction]]
    arrays: dict[str, tuple[int, list[list[int]]]]

    @property
    def K(self) -> int:
        """Number of classes."""
        return len(self.sizes)

    @cached_property
    def m(self) -> list[Fraction]:
        """Coefficients n_k w_k / N of the losses."""
        N = sum(self.sizes, Fraction(0))
        return [n * w / N for n, w in zip(self.sizes, self.weights, strict=True)]

    @cached_property
    def g(self) -> list[Fraction]:
        """Coefficients of the features in the penalty: n_k r_k, or 1 under budgets."""
        return [Fraction(1) if self.peeled else n * r for n, r in zip(self.sizes, self.r, strict=True)]

    @property
    def peeled(self) -> bool:
        """Whether the norms are constrained instead of penalised."""
        return self.model == "layer-peeled"

    @property
    def potential(self) -> str:
        """Name of Om."""
        return LOSSES[self.loss]

    @property
    def precisions(self) -> list[int]:
        """Bits to try."""
        return precisions([P for P, _ in self.arrays.values()], self.K)

    def exact(self, name: str) -> list[list[Fraction]]:
        """An array as rationals."""
        P, rows = self.arrays[name]
        return [[Fraction(entry, 1 << P) for entry in row] for row in rows]

    def delta(self) -> list[Any]:
        """Delta_j = (n_j/n_max)^scaling / temperature."""
        top = max(self.sizes)
        return [(ball(self.scaling) * ball(n / top).log()).exp() / ball(self.temperature) for n in self.sizes]

    def shifts(self) -> list[list[Any]]:
        """Column k is iota_k."""
        N, K = sum(self.sizes, Fraction(0)), range(self.K)
        common = [ball(self.adjustment) * ball(n / N).log() for n in self.sizes]
        own = [arb(0) for _ in K]
        if self.loss in ("margin", "ldam"):
            own = [-ball(self.parameter) / (1 if self.loss == "margin" else ball(n).root(4)) for n in self.sizes]
        other = arb(self.loss == "hinge")
        return [[common[j] + (own[k] if j == k else other) for k in K] for j in K]

    def clusters(self) -> list[list[int]]:
        """Classes equal in every per-class number and exchangeable in the targets, in the order of the problem."""
        found: list[list[int]] = []
        data = list(zip([-n for n in self.sizes], [-w for w in self.weights], self.r, self.s, strict=True))
        for k in sorted(range(self.K), key=lambda k: (data[k], k)):
            group = next((c for c in found if data[c[0]] == data[k] and self.exchangeable(c[0], k)), None)
            if group is None:
                found.append([k])
            else:
                group.append(k)
        return found

    def exchangeable(self, a: int, b: int) -> bool:
        """Whether exchanging two classes in rows and columns leaves the targets alone."""
        order = list(range(self.K))
        order[a], order[b] = b, a
        y = self.targets
        return all(y[k][j] == y[order[k]][order[j]] for k in (a, b) for j in order) and all(
            y[k][a] == y[k][b] for k in order if k not in (a, b)
        )


def per_class(pairs: Any, K: int) -> list[Fraction]:
    """K numbers from [[value, repeat], ...]."""
    found = runs(pairs)
    demand(sum(repeat for _, repeat in found) == K, "numbers of classes differ")
    return [value for value, repeat in found for _ in range(repeat)]


def read_targets(options: dict[str, Any], K: int) -> list[list[Fraction]]:
    """Targets y_k: given, or one-hot ones smoothed."""
    if options["targets"] is not None:
        demand(options["smoothing"] == "0" and isinstance(options["targets"], list), "not targets")
        targets = [[number(y, zero=True) for y in target] for target in options["targets"]]
        demand(len(targets) == K and all(len(y) == K and sum(y) == 1 for y in targets), "not distributions")
        return targets
    eps = number(options["smoothing"], zero=True)
    demand(eps < 1, "smoothing is not below 1")
    return [[eps / K + (1 - eps) * (j == k) for j in range(K)] for k in range(K)]


def read(data: dict[str, Any]) -> Task:
    """The problem and the witness, with the exact conditions: distributions, budgets, signs, width."""
    options, witness, model = data["options"], data["witness"], data["model"]
    demand(set(options) == {*KNOBS, *OWN[model]}, "unexpected options")
    counted = runs(data["counts"])
    K = sum(repeat for _, repeat in counted)
    demand(2 <= K <= MAX_GROUPS, "number of classes")
    name, colon, text = str(options["loss"]).partition(":")
    demand(name in LOSSES, "this loss has no conjugate here")
    demand(bool(colon) == (name in ("margin", "ldam")), "not a loss")
    peeled, bias = model == "layer-peeled", options.get("bias", "none")
    demand(bias != "free" and (bias == "none" or model == "ce"), "bias: only none, or a penalty in model ce")
    shapes = {"dual": (K, K), "W": (K, None), "H": (K, None), "bias": (1, K)} | ({"nu": (1, 1)} if peeled else {})
    demand(isinstance(witness, dict) and set(witness) == set(shapes), "not a witness")
    first, second = (number(options[key]) for key in OWN[model][:2])
    ones = [Fraction(1)] * K
    task = Task(
        model=model,
        loss=name,
        parameter=number(text, zero=True) if colon else Fraction(0),
        first=first,
        second=second,
        penalty=None if bias == "none" else number(bias),
        dim=whole(options["dim"], 1),
        sizes=per_class(data["counts"], K),
        weights=ones if options["class_weights"] is None else per_class(options["class_weights"], K),
        r=per_class(options["feature_decay"], K),
        s=per_class(options["row_decay"], K),
        adjustment=number(options["adjustment"], zero=True),
        scaling=number(options["scaling"], zero=True),
        temperature=number(options["loss_temperature"]),
        targets=read_targets(options, K),
        arrays={key: read_array(witness[key], *shapes[key]) for key in shapes},
    )
    check_points(task)
    return task


def check_points(task: Task) -> None:
    """Exact conditions on the dual and the primal point."""
    (P, dual), W, H = task.arrays["dual"], task.exact("W"), task.exact("H")
    demand(task.loss != "hinge" or all(y[k] == 1 for k, y in enumerate(task.targets)), "not one-hot")
    if task.potential in SIMPLEX:
        demand(all(entry >= 0 for row in dual for entry in row), "a probability is negative")
        demand(all(sum(row[k] for row in dual) == 1 << P for k in range(task.K)), "a column is no distribution")
    if task.potential == "softplus":
        demand(all(0 <= entry <= 1 << P for row in dual for entry in row), "a probability is not between 0 and 1")
    demand(len(W[0]) == len(H[0]) <= task.dim, "the point is wider than the features")
    demand(task.model != "ce-relu" or all(h >= 0 for row in H for h in row), "a feature is negative")
    demand(task.penalty is not None or not any(task.arrays["bias"][1][0]), "this problem has no bias")
    if task.peeled:
        demand(all(s == 1 for s in task.s) and all(r == 1 for r in task.r), "decay without weight decay")
        demand(task.arrays["nu"][1][0][0] > 0, "nu is not a norm")
        for rows, budget in ((W, task.first), (H, task.second)):
            demand(sum(a * a for row in rows for a in row) <= task.K * budget, "the point exceeds its budget")


# --- the loss ----------------------------------------------------------------------------------------------------


def omega(potential: str, u: list[Any]) -> Any:
    """A ball that contains Om(u)."""
    top = max(u, key=lambda x: x.mid())
    if potential == "logsumexp":
        return top + sum((x - top).exp() for x in u).log()
    if potential == "squared":
        return sum(x * x for x in u) / 2
    if potential == "softplus":
        return sum(x.exp().log1p() if x.mid() < 0 else x + (-x).exp().log1p() for x in u)
    if potential == "max":
        return max_of(u)
    # sparsemax: at most the Lagrange dual t + sum (u - t)_+^2 / 2 for every t, at least <q, u> - |q|^2 / 2 for every q
    ranked, level = sorted((x.mid() for x in u), reverse=True), top - 1
    for i in range(1, len(u) + 1):
        trial = (sum(ranked[:i]) - 1) / i
        level = trial.mid() if ranked[i - 1] > trial else level
    above = [max_of([x - level, arb(0)]) for x in u]
    square, total = sum(x * x for x in above), sum(above)  # q = above / total
    return (level + square / 2).union(level + square / total - (square / total**2) / 2)


def max_of(values: list[Any]) -> Any:
    """Largest of balls."""
    top = values[0]
    for value in values[1:]:
        top = arb.max(top, value)
    return top


def conjugate(potential: str, q: list[Fraction]) -> Any:
    """Om*(q) for q in its domain."""

    def entropy(p: Fraction) -> Any:
        return ball(p) * ball(p).log() if p else arb(0)

    if potential == "max":
        return arb(0)
    if potential in ("squared", "sparsemax"):
        return ball(sum((p * p for p in q), Fraction(0)) / 2)
    value = sum(entropy(p) for p in q)
    return value + sum(entropy(1 - p) for p in q) if potential == "softplus" else value


# --- bounds ------------------------------------------------------------------------------------------------------


def dual_matrix(task: Task, dual: list[list[Any]]) -> list[list[Any]]:
    """S^(-1/2) Delta (Y - Q) diag(m) G^(-1/2)."""
    delta = [d / ball(s).sqrt() for d, s in zip(task.delta(), task.s, strict=True)]
    scale = [ball(m) / ball(g).sqrt() for m, g in zip(task.m, task.g, strict=True)]
    y, K = task.targets, range(task.K)
    return [[delta[j] * (as_ball(y[k][j]) - as_ball(dual[j][k])) * scale[k] for k in K] for j in K]


def as_ball(value: Any) -> Any:
    """Ball of a rational, or the ball itself."""
    return ball(value) if isinstance(value, Fraction) else value


def lower_bound(task: Task, M: Any, dual: list[list[Fraction]]) -> Any:
    """Dual value, once the norm of the dual matrix is proved to be at most lam (or nu).

    By Fenchel-Young the losses are at least sum_k m_k (<q_k - y_k, iota_k> - Om*(q_k)) - <M, X>, X = S^(1/2) Z G^(1/2),
    and the penalty is at least lam |X|_* >= <M, X> (Jensen; |ab| <= (a^2 + b^2)/2). Under budgets <M, X> <= nu T. A
    bias b adds -<v, b> + (penalty/2)|b|^2 >= -|v|^2 / (2 penalty) with v = Delta sum_k m_k (y_k - q_k).
    """
    K, m, y, iota = range(task.K), task.m, task.targets, task.shifts()
    value = arb(0)
    for k in K:
        column = [row[k] for row in dual]
        moved = sum(ball(column[j] - y[k][j]) * iota[j][k] for j in K if column[j] != y[k][j])
        value += ball(m[k]) * (moved - conjugate(task.potential, column) + constant(task, k))
    if task.model == "ce-relu":
        cone_norm(task, M)
    elif task.peeled:
        nu = ball(task.exact("nu")[0][0])
        demand(count_above(M, nu) == 0, "the dual point is infeasible (norm)")
        value -= nu * task.K * (ball(task.first) * ball(task.second)).sqrt()
    else:
        demand(count_above(M, ball(task.first * task.second).sqrt()) == 0, "the dual point is infeasible (norm)")
    if task.penalty is not None:
        flows = [ball(sum((m[k] * (y[k][j] - dual[j][k]) for k in K), Fraction(0))) for j in K]
        value -= sum((d * v) ** 2 for d, v in zip(task.delta(), flows, strict=True)) / ball(2 * task.penalty)
    return value


def constant(task: Task, k: int) -> Any:
    """The constant: |y_k|^2 / 2 for the quadratic potentials."""
    quadratic = task.potential in ("squared", "sparsemax")
    return ball(sum((y * y for y in task.targets[k]), Fraction(0)) / 2) if quadratic else arb(0)


def cone_norm(task: Task, M: Any) -> None:
    """Under H >= 0: |sum_k a_k M_k|^2 <= lam^2 |a|^2 for a >= 0, if columns of M have norm <= lam and products <= 0."""
    square = M.transpose() * M
    for k in range(task.K):
        demand(not square[k, k] > ball(task.first * task.second), "the dual point is infeasible (column)")
        sure = square[k, k] <= ball(task.first * task.second) and all(
            square[k, other] <= 0 for other in range(task.K) if other != k
        )
        if not sure:
            raise Undecided("under H >= 0 no dual point with products <= 0 of its columns is known for this problem")


def loss_at(task: Task, columns: list[list[Any]]) -> Any:
    """Sum of the losses, no penalty, where column k holds the logits of class k."""
    delta, iota, value = task.delta(), task.shifts(), arb(0)
    for k, (m, z) in enumerate(zip(task.m, columns, strict=True)):
        u = [d * x + row[k] for d, x, row in zip(delta, z, iota, strict=True)]
        inner = sum(ball(y) * x for y, x in zip(task.targets[k], u, strict=True) if y)
        value += ball(m) * (omega(task.potential, u) - inner + constant(task, k))
    return value


def upper_bound(task: Task) -> Any:
    """Objective at the point."""
    W, H, (bias,) = ([[ball(a) for a in row] for row in task.exact(name)] for name in ("W", "H", "bias"))
    logits = [[sum(a * x for a, x in zip(row, h, strict=True)) + b for row, b in zip(W, bias, strict=True)] for h in H]
    value = loss_at(task, logits)
    if task.peeled:
        return value
    for rows, decay, factors in ((W, task.first, task.s), (H, task.second, task.g)):
        value += sum(ball(decay * f / 2) * sum(a * a for a in row) for f, row in zip(factors, rows, strict=True))
    return value + (ball(task.penalty / 2) * sum(b * b for b in bias) if task.penalty is not None else arb(0))


# --- what the gap says about every minimiser -----------------------------------------------------------------------


def around(potential: str, q: Any, t: Any) -> tuple[Any, Any]:
    """Balls of p and of log p (or u itself for ``squared``) for every p within divergence t of q.

    The gap of Fenchel-Young at a minimiser is the divergence of q from its prediction p: |p - q|^2/2 (``squared``;
    at most that for ``sparsemax``, Om* being strongly convex), KL(q|p) in one entry at least by data processing:
    (p - q)^2 <= 2 t max(p, q), so |log p - log q| <= -log(1 - sqrt(2 t / q)).
    """
    if potential in ("squared", "sparsemax"):
        p = arb(q.mid(), (q.rad() + (2 * t).sqrt()).upper())
        return p, p
    root = (2 * t / q).sqrt()
    wide = arb(q.mid(), (q.rad() + t + (t * t + 2 * t * q).sqrt()).upper())
    if not root < 1:
        return wide, arb("nan")
    log_p = arb(q.log().mid(), (q.log().rad() - (-root).log1p()).upper())
    p = log_p.exp()
    return (p if p.rad() < wide.rad() else wide), log_p


def predictions(task: Task, dual: list[list[Fraction]], gap: Any) -> tuple[list[list[Any]], list[list[Any]]]:
    """Predictions of every minimiser, and u up to a constant per column (nan where it does not follow)."""
    K = range(task.K)
    p, u = [[arb("nan")] * task.K for _ in K], [[arb("nan")] * task.K for _ in K]
    for k, m in enumerate(task.m):
        t = gap / ball(m)
        for j in K:
            q = ball(dual[j][k])
            p[j][k], u[j][k] = around(task.potential, q, t)
            if task.potential == "softplus":
                complement, rest = around("softplus", 1 - q, t)
                u[j][k] -= rest
                p[j][k] = 1 - complement if complement.rad() < p[j][k].rad() else p[j][k]
            if task.potential == "sparsemax":
                u[j][k] = arb("nan")
    return p, u


def centred(task: Task, u: list[list[Any]]) -> list[list[Any]]:
    """Logits from adjusted logits, with sum_j s_j z_jk / Delta_j = 0 where Om is shift-invariant.

    Every minimiser has that, for stationarity in W reads lambda_w S W = -(grad) H^T, and (1/Delta)^T grad = 0; under a
    budget that is not used in full it is the choice of one representative.
    """
    K, delta, iota = range(task.K), task.delta(), task.shifts()
    z = [[(u[j][k] - iota[j][k]) / delta[j] for k in K] for j in K]
    if task.potential != "logsumexp":
        return z
    weight = [ball(s) / d for s, d in zip(task.s, delta, strict=True)]
    size = sum(w / d for w, d in zip(weight, delta, strict=True))
    means = [sum(w * row[k] for w, row in zip(weight, z, strict=True)) / size for k in K]
    return [[z[j][k] - means[k] / delta[j] for k in K] for j in K]


def relu_states(task: Task, p: list[list[Any]]) -> list[str | None]:
    """Alive: the own prediction above the others. Dead: the features vanish.

    Stationarity in W and <h, dF/dh> = 0 give lam^2 |a_k|^2 = sum_l <M_k, M_l> <a_k, a_l> with a = sqrt(g) h >= 0, so
    a_k = 0 where |M_k| < lam and no other product is positive; M is the dual matrix of the minimiser.
    """
    M = arb_mat(dual_matrix(task, p))
    square, lam2, states = M.transpose() * M, ball(task.first * task.second), []
    for cluster in task.clusters():
        k = cluster[0]
        others = [j for j in range(task.K) if j != k]
        dead = square[k, k] < lam2 and all(square[k, j] <= 0 for j in others)
        # with shifts of their own, predictions do not order the logits
        alive = not (task.adjustment or task.scaling) and all(p[k][k] > p[j][k] for j in others)
        demand(not (dead and alive), "impossible: alive and dead; report a kernel bug")
        states.append("alive" if alive else "dead" if dead else None)
    return states


def contrast_states(task: Task, M: Any, p: Any, z: Any, top: Any, gap: Any) -> list[str | None]:
    """Contrast of every cluster. Alive: own above sibling logit. Dead: its eigenvalue of M* is below the norm.

    Every minimiser has the prediction p (Om is smooth, so grad Om(u) is the same at all) and so the dual matrix M*,
    which by symmetry maps contrasts of the cluster to multiples of them, by M*_kk - M*_jk. As <M*, X> = |M*||X|_*, X
    has no part there if that is below |M*|. Each entry of M differs from that of M* by at most the scaled distance of
    q from p, of square <= 2 gap / m_k.
    """
    states: list[str | None] = []
    delta = task.delta()
    for cluster in task.clusters():
        if len(cluster) == 1:
            states.append("absent")
            continue
        k, j = cluster[:2]
        scale = delta[k] * ball(task.m[k]) / ball(task.s[k] * task.g[k]).sqrt()
        value, radius = M[k, k] - M[j, k], 2 * scale * (2 * gap / ball(task.m[k])).sqrt()
        dead = value + radius < top and radius - value < top  # soft targets can make it negative
        alive = p[k][k] > p[j][k] or z[k][k] > z[j][k]
        demand(not (dead and alive), "impossible: alive and dead; report a kernel bug")
        states.append("alive" if alive else "dead" if dead else None)
    return states


def rank_bounds(task: Task, M: Any, top: Any, logits: list[list[Any]], upper: Any, gap: Any) -> tuple[int, int]:
    """(at least, at most) for the logits: singular values of M near its norm, and of X above its radius (Weyl).

    Without a bias a value below that at Z = 0 shows that Z is not 0.
    """
    # (1/Delta)^T M* = 0, so logits lose one dimension, unless a budget is not used in full (M* = 0)
    most = task.K - (task.potential in SIMPLEX and bool(top > 0))
    delta = task.delta()
    spread = max_of([d * d / ball(s) for d, s in zip(delta, task.s, strict=True)])
    # sum_k m_k |q_k - p_k|^2 <= 2 gap
    radius = (2 * gap * spread * max_of([ball(m / g) for m, g in zip(task.m, task.g, strict=True)])).sqrt()
    below = top * (1 - arb(2) ** (16 - ctx.prec)) - radius  # a little less: a value equal to top is above it
    if task.potential != "max" and below > 0:
        most = min(most, count_above(M, below))
    least = 0
    if all(z.is_finite() for row in logits for z in row):
        scale = [[ball(s * g).sqrt() for g in task.g] for s in task.s]
        X = [[c * z for c, z in zip(*pair, strict=True)] for pair in zip(scale, logits, strict=True)]
        away = sum(x.rad() * x.rad() for row in X for x in row).sqrt().upper()
        least = count_above(arb_mat(X).mid(), arb(away))
    if task.penalty is None and upper < loss_at(task, [[arb(0)] * task.K] * task.K):
        least = max(least, 1)
    return least, most


def norm_at_least(task: Task, M: Any, gap: Any) -> Any:
    """Lower bound for the norm of M*: lam where X is not 0 (then it is exactly lam), else from the norm of M."""
    if not task.peeled:
        return ball(task.first * task.second).sqrt()
    nu, radius = ball(task.exact("nu")[0][0]), distance(task, gap)
    for bits in (128, 64, 32, 16, 8):
        below = nu * (1 - arb(2) ** -bits)
        if count_above(M, below):
            return below - radius
    return arb(0)


def distance(task: Task, gap: Any) -> Any:
    """Under budgets M and M* differ by at most so much in norm."""
    return (2 * gap * max_of([d * d for d in task.delta()]) * ball(max(task.m))).sqrt()


def sparse_logits(task: Task, p: list[list[Any]], top: Any, gap: Any) -> Any:
    """Logits of every minimiser of ``sparsemax``, from differences of predictions that are surely positive."""
    K, delta, iota = range(task.K), task.delta(), task.shifts()
    equations = []
    for k in K:
        support = [j for j in K if p[j][k] > 0]
        for i, j in pairwise(support):
            a = [delta[row] * ((row == i) - (row == j)) for row in K]
            equations.append((k, a, p[i][k] - p[j][k] - iota[i][k] + iota[j][k]))
    norm = top.union(ball(task.exact("nu")[0][0]) + distance(task, gap)) if task.peeled else top
    left, right = ([1 / ball(x).sqrt() for x in factors] for factors in (task.s, task.g))
    return polar_logits(arb_mat(dual_matrix(task, p)), norm, left, right, equations)


def zero_state(logits: list[list[Any]], k: int, most: int) -> bool | None:
    """Whether the features of class k vanish: all do at rank 0, and a logit that is not 0 shows that they do not."""
    return True if most == 0 else False if any(not row[k].contains(0) for row in logits) else None


def prove(task: Task, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    dual = task.exact("dual")
    M = arb_mat(dual_matrix(task, dual))
    lower, upper = lower_bound(task, M, dual), upper_bound(task)
    result = bounds(lower, upper, problem)
    gap = (upper - lower).upper()
    gap = gap if gap > 0 else arb(0)
    K, shifted = range(task.K), False
    if task.potential == "max":
        result.reason = "bounds only: the predictions of the hinge need not be unique"
        return result
    p, u = predictions(task, dual, gap)
    logits = centred(task, u) if task.penalty is None else [[arb("nan")] * task.K for _ in K]
    if task.model == "ce-relu":
        result.contrasts, result.merged = relu_states(task, p), None
        result.zero = [None if state is None else state == "dead" for state in result.contrasts]
    else:
        top = norm_at_least(task, M, gap)
        shifted = bool(not top > 0)  # a budget that is not used in full leaves Z + 1 c^T optimal
        if task.potential == "sparsemax" and task.penalty is None:
            logits = sparse_logits(task, p, top, gap) or logits
        least, most = rank_bounds(task, M, top, logits, upper, gap)
        if task.dim < most:
            result.reason = f"d = {task.dim} is below the certified rank bound {most}: bounds only, maybe loose"
            return result
        result.contrasts = contrast_states(task, M, p, logits, top, gap)
        alive = [len(c) - 1 for c, s in zip(task.clusters(), result.contrasts, strict=True) if s == "alive"]
        result.rank = max(least, sum(alive)), most
        demand(result.rank[0] <= most, "impossible: rank bounds cross; report a kernel bug")
        result.merged = [None if state in (None, "absent") else state == "dead" for state in result.contrasts]
        result.zero = [zero_state(logits, cluster[0], most) for cluster in task.clusters()]
    result.found = {"predictions": p, "logits": logits, "gap": gap, "shifted": shifted}
    result.facts = {
        "clusters": [[str(task.sizes[c[0]]), str(task.weights[c[0]]), len(c)] for c in task.clusters()],
        "contrast": {"uses": [], "values": result.contrasts},
        "merged": {"uses": [], "values": result.merged or [None for _ in task.clusters()]},
        "zero": {"uses": [], "values": result.zero},
        "rank": dict(zip(("lower", "upper"), result.rank or (0, task.K), strict=True)),
        "predictions": [[interval(x, x) for x in row] for row in p],
        "centred_logits" if shifted else "logits": [[interval(x, x) for x in row] for row in logits],
    }
    return result
