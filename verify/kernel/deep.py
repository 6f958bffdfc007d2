"""Model ``ce`` behind M >= 2 linear layers: two-sided bounds, and the smallest value of any simplex frame.

Witness: ``factors`` W_M, ..., W_1, Hbar of a point (widths up to d_m), its ``bias`` (1 x K), and ``brackets``:
two points around the larger zero of rho below, or, where rho has no zero, around its minimum. A row for every size that
the lower bound tries (largest first; at least two classes have it or more), and a last row for the frames. There is no
reduced form: the layers need not respect the symmetry of the classes.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from flint import arb, arb_mat

from . import core
from .core import MAX_GROUPS, Array, Outcome, ball, balls, bounds, demand, interval, number, positive

MAX_DEPTH = 32


@dataclass(frozen=True)
class Task:
    """Problem and witness; ``decays`` are those of W_M, ..., W_1, H."""

    sizes: list[Fraction]
    decays: list[Fraction]
    bias: str | Fraction
    widths: list[int]
    factors: list[Array]
    offset: Array
    brackets: Array
    precisions: list[int]

    @property
    def balanced(self) -> bool:
        """All sizes are equal."""
        return len(set(self.sizes)) == 1

    def kept(self, size: Fraction) -> int:
        """Number of classes of at least this size."""
        return sum(n >= size for n in self.sizes)

    @property
    def tried(self) -> list[Fraction]:
        """Sizes that at least two classes have or exceed, largest first."""
        return [size for size in sorted(set(self.sizes), reverse=True) if self.kept(size) > 1]


def read(data: dict[str, Any]) -> Task:
    """Problem and witness with shapes, widths and the absence of a bias checked."""
    options, witness = data["options"], data["witness"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "widths"}, "unexpected options")
    demand(isinstance(witness, dict) and set(witness) == {"factors", "bias", "brackets"}, "not a witness")
    lists = (options["lambda_w"], options["widths"], witness["factors"])
    demand(all(isinstance(entry, list) for entry in lists), "not a list")
    M, classes = len(options["lambda_w"]), core.runs(data["counts"])
    K = sum(repeat for _, repeat in classes)
    demand(2 <= M <= MAX_DEPTH and 2 <= K <= MAX_GROUPS, "too many layers or classes")
    widths = [core.whole(width, 1) for width in options["widths"]]
    demand(len(widths) == M and len(witness["factors"]) == M + 1, "wrong number of layers")
    factors, height = [], K
    for array, width in zip(witness["factors"], [*widths, K], strict=True):
        factors.append(core.read_array(array, height, None))
        height = len(factors[-1][1][0])
        demand(1 <= height <= width, "a layer is wider than the problem allows")
    demand(height == K, "one mean feature per class")
    bias = options["bias"] if options["bias"] in ("none", "free") else number(options["bias"])
    sizes = [size for size, repeat in classes for _ in range(repeat)]
    rows = len(set(sizes)) + (sizes.count(max(sizes)) > 1)  # a single largest class is not tried alone
    offset, brackets = core.read_array(witness["bias"], 1, K), core.read_array(witness["brackets"], rows, 2)
    demand(bias != "none" or not any(offset[1][0]), "this problem has no bias")
    demand(all(0 < low < high for low, high in brackets[1]), "not a bracket")
    decays = [number(decay) for decay in (*options["lambda_w"], options["lambda_h"])]
    digits = [P for P, _ in (*factors, offset, brackets)]
    demand(sum(len(rows) * len(rows[0]) for _, rows in factors) <= 4 * MAX_GROUPS**2, "too many numbers")
    return Task(sizes, decays, bias, widths, factors, offset, brackets, core.precisions(digits, K))


def scalar_minimum(K: int, q: Any, log_c: Any, bracket: list[Any]) -> tuple[Any, Any, bool | None]:
    """Minimum over a >= 0 of f(a) = log(1 + (K-1) e^-a) + (c/q) a^q: value, place, and whether it is at a > 0.

    f' has the sign of rho(a) = log(e^a + K - 1) + log(c/(K-1)) - (1 - q) log a. rho is convex and tends to +inf at both
    ends, so f rises, falls between the zeros of rho, and rises again: the minimum is log K or the value at the larger
    zero, which is where rho changes from - to +. Without a zero f rises everywhere.
    """

    def rho(a: Any) -> Any:
        return (a.exp() + (K - 1)).log() + log_c - arb(K - 1).log() - (1 - q) * a.log()

    def turn(a: Any) -> Any:
        return 1 / (1 + (K - 1) * (-a).exp()) - (1 - q) / a

    low, high = bracket
    zero, between = arb(K).log(), low.union(high)
    if positive(rho(low)):
        around = not positive(turn(low)) and positive(turn(high))  # holds the place where rho is smallest
        demand(around and positive(rho(between)), "the bracket shows no minimum")
        return zero, arb(0), False
    demand(positive(rho(high)), "the bracket shows no minimum")
    value = ((K - 1) * (-between).exp()).log1p() + (log_c + q * between.log()).exp() / q
    if value > zero:
        return zero, arb(0), False
    alive = True if value < zero else None
    return arb.min(value, zero), between if alive else between.union(arb(0)), alive


def lower_bound(task: Task) -> tuple[Any, bool]:
    """Lower bound for any sizes, widths and bias, and whether zero is proved the only minimiser (equal sizes).

    Keep n samples of each of the K' classes that have as many, and their logits only: the loss does not grow, its share
    is w = K' n/N. Horn and the inequality of means give the penalties at a product X = Z D^(1/2) of at least
    (L/2) Lam^(1/L) sum_i s_i(X)^q, q = 2/L <= 1; sum s_i^q >= (sum s_i)^q, and s_i(X) >= sqrt(n) s_i(Z') for the kept
    part Z' of Z. Averaging (Z', b') over simultaneous permutations of rows and columns raises neither the loss (Jensen)
    nor the sum of the s_i(Z') (triangle inequality). The average is a I + a constant, b' a constant: the loss is
    log(1 + (K'-1) e^-a), and (K'-1) |a| <= sum s_i(Z'). So f >= w f_c(a) with c = (n Lam)^(1/L) (K'-1)^q/w.
    Where f_c > log K for every a > 0 and w = 1, X = 0 at every minimiser.
    """
    L, N, lower, alive = len(task.decays), sum(task.sizes, Fraction(0)), arb(0), None
    for n, bracket in zip(task.tried, balls(task.brackets), strict=False):
        K, q = task.kept(n), arb(2) / L
        share = ball(K * n / N)
        log_c = ball(n * prod(task.decays)).log() / L + q * arb(K - 1).log() - share.log()
        value, _, alive = scalar_minimum(K, q, log_c, bracket)
        lower = arb.max(lower, share * value)
    return lower, task.balanced and alive is False


def frame_minimum(task: Task) -> tuple[Any, Any, bool | None] | None:
    """Smallest value of any point with Z = a (I - J/K): K - 1 singular values a sqrt(n). None where there is none.

    Equal sizes; a bias is best constant. Horn and means as above, now with all singular values known.
    """
    K, L = len(task.sizes), len(task.decays)
    if not task.balanced or min(task.widths) < K - 1:
        return None
    log_c = ball(task.sizes[0] * prod(task.decays)).log() / L + arb(K - 1).log()
    return scalar_minimum(K, arb(2) / L, log_c, balls(task.brackets)[-1])


def upper_bound(task: Task) -> Any:
    """Objective at the point, all layers multiplied out."""
    matrices = [arb_mat(balls(factor)) for factor in task.factors]
    Z, (offset,), K = matrices[0], balls(task.offset), len(task.sizes)
    for matrix in matrices[1:]:
        Z = Z * matrix
    value, N = arb(0), sum(task.sizes, Fraction(0))
    for k, size in enumerate(task.sizes):
        others = sum((Z[j, k] + offset[j] - Z[k, k] - offset[k]).exp() for j in range(K) if j != k)
        value += ball(size / N) * others.log1p()
    for decay, factor in zip(task.decays[:-1], task.factors[:-1], strict=True):
        value += ball(decay) / 2 * sum(x * x for row in balls(factor) for x in row)
    for row in balls(task.factors[-1]):
        value += ball(task.decays[-1]) / 2 * sum(ball(n) * h * h for n, h in zip(task.sizes, row, strict=True))
    if isinstance(task.bias, Fraction):
        value += ball(task.bias) / 2 * sum(x * x for x in offset)
    return value


def prove(task: Task, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    lower, zero = lower_bound(task)
    result, frame = bounds(lower, upper_bound(task), problem), frame_minimum(task)
    result.found = {"zero": zero, "frame": frame}
    stated: dict[str, Any] | None = None
    if frame is not None:
        value, scale, alive = frame
        stated = {"uses": [], "value": interval(value), "scale": interval(scale), "alive": alive}
    result.facts = {"zero_only": {"uses": [], "value": True if zero else None}, "frame": stated}
    return result
