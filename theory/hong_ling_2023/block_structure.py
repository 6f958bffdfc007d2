"""Block structure inside clusters of equal size, and why the geometry is no equiangular frame (HL23-02).

Z* is alpha_c I + beta_c J inside cluster c and constant between clusters. With two clusters everything follows from
the gaps a, b and the between-cluster logits tA, tB; S_A = tA kA kB/K and S_B = tB kA kB/K.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.reduction import moduli
from theory.observables import between_dead, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, a, b, delta, kA, kB, mu, nA, nB, qA, rA, rB, s1, tA, tB, x

PAPER = "hong_ling_2023"
Array = NDArray[Any]

deviation, bias_deviation = sp.symbols("deviation bias_deviation", real=True)
"""Mean absolute difference of entries that the block form makes equal."""

own_A, sibling_A, cross_A, own_B, sibling_B, cross_B = sp.symbols("z_AA z_AA' z_BA z_BB z_BB' z_AB", real=True)
bias_A, bias_B = sp.symbols("b_A b_B", real=True)
nuclear, frobenius2 = sp.symbols("nuclear frobenius2", real=True)
"""Sum of the singular values of Z D^(1/2), and of their squares."""

frame_defect = sp.Symbol("frame_defect", real=True)
"""Mean distance of Z^T Z/trace from (I - J/K)/(K - 1)."""

alignment_alive, alignment_dead, ratio = sp.symbols("alignment_alive alignment_dead ratio", real=True)
"""Cosine between W and Hbar^T while the between-cluster direction is alive or dead; lambda_W |W|^2/(lambda_H |Hbar|^2)
in the dead case."""

CLASSES = kA + kB


def block_readings(optimum: Optimum) -> Iterator[Reading]:
    """Deviation from block form; for two clusters the entries, singular values and frame distances as well.

    Examples
    --------
    >>> Z = np.array([[3.0, 0.0], [-3.0, 0.0]])
    >>> point = Optimum(Problem.ce([5, 5], "0.1"), "exact", logits=Z, bias=Z[:, 1])
    >>> [float(reading[deviation]) for reading in block_readings(point)]
    [1.5]
    """
    problem, Z, bias = optimum.problem, optimum.logits, optimum.bias
    if Z is None or bias is None:
        return
    yield {deviation: _mean(_differences(problem, Z)), bias_deviation: _mean(_bias_differences(problem, bias))}
    if len(problem.clusters) != 2:
        return
    A, B = (cluster.members for cluster in problem.clusters)
    roots = np.sqrt(_sizes(problem, Z))
    X = Z * roots
    for common in two_cluster_readings(optimum):
        reading: dict[sp.Symbol, Any] = {a: sp.Integer(0), b: sp.Integer(0), **common}
        for own, other, symbols in ((A, B, (own_A, sibling_A, cross_A)), (B, A, (own_B, sibling_B, cross_B))):
            reading |= {symbols[0]: Z[own[0], own[0]], symbols[2]: Z[other[0], own[0]]}
            if len(own) > 1:
                reading[symbols[1]] = Z[own[1], own[0]]
        reading |= {bias_A: bias[A[0]], bias_B: bias[B[0]], frobenius2: (X * X).sum()}
        reading[nuclear] = moduli(X)[0].trace()
        if problem.K >= 3 and optimum.rank[0] > 0 and all(c.weight == 1 for c in problem.clusters):
            reading |= _frame_readings(optimum, Z)
        yield reading


def _sizes(problem: Problem, Z: Array) -> Array:
    zero = 0 * Z[0, 0]
    return np.array([(zero + n.numerator) / n.denominator for n in problem.sizes], dtype=Z.dtype)


def _mean(differences: list[Any]) -> Any:
    return sum((abs(d) for d in differences), 0 * differences[0]) / len(differences)


def _differences(problem: Problem, Z: Array) -> list[Any]:
    """Entries minus the first entry of their orbit under permutations inside clusters."""
    found = []
    members = [cluster.members for cluster in problem.clusters]
    for rows, columns in product(members, members):
        first: dict[bool, Any] = {}
        for j, k in product(rows, columns):
            found.append(Z[j, k] - first.setdefault(j == k, Z[j, k]))
    return found


def _bias_differences(problem: Problem, bias: Array) -> list[Any]:
    return [bias[k] - bias[cluster.members[0]] for cluster in problem.clusters for k in cluster.members]


def _frame_readings(optimum: Optimum, Z: Array) -> dict[sp.Symbol, Any]:
    """Distance from a simplex frame, and the cosine <W, Hbar^T>/(|W| |Hbar|) from Z = W Hbar and the Gram matrices."""
    classes, sizes = len(Z), _sizes(optimum.problem, Z)
    gram = Z.T @ Z
    frame = np.array([[sp.Rational(classes * (j == k) - 1, classes) for k in range(classes)] for j in range(classes)])
    trace = gram.trace()
    defect = [
        gram[j, k] / trace - (0 * trace + int(entry.p)) / int(entry.q) / (classes - 1)
        for (j, k), entry in np.ndenumerate(frame)
    ]
    reading: dict[sp.Symbol, Any] = {frame_defect: _mean(defect)}
    state = between_dead(optimum)
    if state is not None:
        left, right = moduli(Z * np.sqrt(sizes))
        rows, features = left.trace(), (np.diag(right) / sizes).sum()
        reading[alignment_dead if state else alignment_alive] = Z.trace() / np.sqrt(rows * features)
        if state:
            reading[ratio] = rows / features
    return reading


def two_cluster_blocks(gap_A: sp.Expr, gap_B: sp.Expr, from_A: sp.Expr, from_B: sp.Expr) -> Blocks:
    """The centred block matrix with given gaps and own-cluster mean minus other entry (tA, tB for Z).

    Examples
    --------
    >>> two_cluster_blocks(a, b, tA, tB).entries[1, 0]
    -k_A*t_A/(k_A + k_B)
    """
    S_A, S_B = from_A * kA * kB / CLASSES, from_B * kA * kB / CLASSES
    entries = sp.Matrix([[(S_A - gap_A) / kA, -S_B / kA], [-S_A / kB, (S_B - gap_B) / kB]])
    return Blocks((kA, kB), (gap_A, gap_B), entries)


def block_derivation() -> Derivation:
    """Symmetry gives the form, the quotient gives the singular values, stationarity excludes frames (HL23-02).

    Examples
    --------
    >>> block_derivation().failures()
    []
    """
    return Derivation(steps=(*_form_steps(), *_direction_steps(), *_frame_steps(), *_duality_steps()))


def _form_steps() -> tuple[Step, ...]:
    Z = two_cluster_blocks(a, b, tA, tB)
    X = Z @ diagonal((kA, kB), (sp.sqrt(nA), sp.sqrt(nB)))
    left = sp.Matrix([sp.sqrt(kB / CLASSES), -sp.sqrt(kA / CLASSES)])
    right = sp.Matrix([[sp.sqrt(nA * kA) * tA, -sp.sqrt(nB * kB) * tB]])
    return (
        Lemma(
            "(Z*, b*) is unique, hence invariant under permutations inside clusters; an invariant matrix is constant "
            "on the orbits own, sibling and (h, g): gap times I plus a constant in diagonal blocks, constant in others",
            "strict convexity modulo constants",
        ),
        Identity("columns are centred", sp.Matrix(Z.T.on_constant([1, 1])), sp.zeros(2, 1)),
        Identity("tA: own-cluster mean minus the other entry", Z.entries[0, 0] + a / kA - Z.entries[1, 0], tA),
        Identity("tB likewise", Z.entries[1, 1] + b / kB - Z.entries[0, 1], tB),
        Identity(
            "centred biases of gap delta",
            sp.Matrix([kA * (kB * delta / CLASSES) + kB * (-kA * delta / CLASSES), (kB + kA) * delta / CLASSES]),
            sp.Matrix([0, delta]),
        ),
        Identity(
            "singular values on contrasts: a sqrt(nA) (kA - 1 times), b sqrt(nB) (kB - 1 times)",
            sp.Matrix(X.gaps),
            sp.Matrix([a * sp.sqrt(nA), b * sp.sqrt(nB)]),
        ),
        Identity(
            "the quotient has rank one: unit vector times sqrt(kA kB/K) times a row of length s1/sqrt(kA kB/K)",
            X.quotient(),
            sp.sqrt(kA * kB / CLASSES) * left * right,
        ),
        Identity("(the left vector is a unit vector)", (left.T * left)[0], sp.Integer(1)),
    )


def _direction_steps() -> tuple[Step, ...]:
    """The signs and the ratio of tA, tB from the dual matrix."""
    eA = kA * qA + kB * rA
    dual = two_cluster_blocks(eA, b, CLASSES * rA / kA, CLASSES * rB / kB)
    return (
        Identity(
            "I - P is such a matrix, with gap 1 - p + q = kA qA + kB rA and K rA/kA, K rB/kB in place of tA, tB",
            sp.Matrix([dual.entries[0, 0], dual.entries[1, 0], dual.entries[0, 1]]),
            sp.Matrix([-qA, -rA, -rB]),
        ),
        Lemma(
            "alive: the quotients of X and of (I - P) D^(1/2) share their singular vectors, so (tA, tB) is a positive "
            "multiple of (rA/kA, rB/kB); every alive singular value of (I - P) D^(1/2) is x, the others are at most x",
            "subdifferential of the nuclear norm",
        ),
    )


def _frame_steps() -> tuple[Step, ...]:
    """Suppose Z^T Z = c (I - J/K), c > 0, K >= 3 and nA != nB."""
    gap = sp.Symbol("alpha_", positive=True)
    E, y, s, r = sp.symbols("E y s r", positive=True)
    Z = two_cluster_blocks(a, b, tA, tB)
    frame = two_cluster_blocks(gap, gap, gap / kA, gap / kB)
    one = Blocks((kA, kB), (gap, gap), -gap / CLASSES * sp.ones(2, 2))
    over_A, over_B = y * (E + kA - 1) + kB, (E + kB - 1) / y + kA
    bracket = (E - 1) * (y + 1) / y + kA + kB / y
    return (
        Identity(
            "Z 1 = 0 gives kA tA = kB tB",
            sp.Matrix(Z.on_constant([1, 1])),
            (kA * tA - kB * tB) / CLASSES * sp.Matrix([kB, -kA]),
        ),
        Identity(
            "so the between value of Z is kA tA ...",
            kA * kB / CLASSES * (kA * (gap / kA) ** 2 + kB * (gap / kB) ** 2),
            gap**2,
        ),
        Identity(
            "... and it and the gaps are all sqrt(c) = alpha: Z = alpha (I - J/K)",
            frame.flat(),
            one.flat(),
        ),
        Identity(
            "rA = rB because rA/kA : rB/kB = tA : tB; with E = exp(alpha), y = exp(delta) their inverses differ by",
            over_A - over_B,
            (y - 1) * bracket,
        ),
        Positive("the bracket is positive, so delta = 0", bracket.subs(E, 1 + s)),
        Identity(
            "then P is symmetric and I - P = K r (I - J/K)",
            two_cluster_blocks(CLASSES * r, CLASSES * r, CLASSES * r / kA, CLASSES * r / kB).flat(),
            Blocks((kA, kB), (CLASSES * r, CLASSES * r), -r * sp.ones(2, 2)).flat(),
        ),
        Identity(
            "the squares over (K r)^2 of its alive singular values after D^(1/2), nA or nB and their mean, must agree",
            sp.Matrix([(nA * kB + nB * kA) / CLASSES - nA, (nA * kB + nB * kA) / CLASSES - nB]),
            (nA - nB) / CLASSES * sp.Matrix([-kA, kB]),
        ),
        Lemma("K >= 3 gives at least one contrast beside the between direction: nA = nB, a contradiction", "counting"),
    )


def _duality_steps() -> tuple[Step, ...]:
    """W = c Hbar^T means U = c D^(-1/2) V on the alive singular directions of X = U S V^T."""
    u, s, y, r, t = sp.symbols("u s y r t", positive=True)
    ratio_w = sp.Symbol("rho", positive=True)
    squares = (nA * kA * tA**2 + nB * kB * tB**2) / (kA * tA**2 + kB * tB**2)
    s_pos, tA_pos, tB_pos = sp.symbols("s_n t_A t_B", positive=True)
    grown = squares.subs({nA: nB + s_pos, tA: tA_pos, tB: tB_pos})
    return (
        Lemma(
            "the factors are U S^(1/2) Q and Q^T S^(1/2) V^T D^(-1/2) up to constants", "singular value decomposition"
        ),
        Positive("between direction: c^2 = |D^(-1/2) v|^-2 is strictly above nB ...", sp.cancel(grown - nB)),
        Positive("... and strictly below nA, while a contrast asks for c^2 = nA or nB", sp.cancel(nB + s_pos - grown)),
        Identity(
            "no contrast alive: kA tA = kB tB, so 1/rA = 1/rB = 1/r; with exp(tA) = t, exp(tB) = u this reads "
            "kA (y t - 1) = kB (u/y - 1), both positive because t u > 1",
            (kA * y * t + kB) - (kB * u / y + kA),
            kA * (y * t - 1) - kB * (u / y - 1),
        ),
        Identity(
            "so r < 1/K and x^2 = K (nA kB + nB kA) r^2 < nA, but a dead majority contrast needs x^2 >= nA: kA = 1",
            nA - (nA * kB + nB * kA) / CLASSES,
            kA * (nA - nB) / CLASSES,
        ),
        Lemma("kA = 1, kB >= 2: u^kB - 1 > kB (u - 1) for u > 1, so y >= 1 is impossible", "Bernoulli"),
        Identity(
            "y >= 1 holds: delta = 0 without a bias, delta = K r (nA - nB)/(2 mu N) with a penalised one; a free bias "
            "asks for nA rA = nB rB",
            CLASSES * (nA * r - nB * r) / (2 * mu),
            CLASSES * r * (nA - nB) / (2 * mu),
        ),
        Lemma(
            "s1 = 0, minority contrast alive: at tA = 0 the geometric mean y rA of (pA, qA, ...) is at least qA, so "
            "1 - pA + qA = kA qA + kB rA <= rA (kA y + kB); likewise for B with 1/y, strictly",
            "a mean is at least the minimum",
        ),
        Identity(
            "with eA >= x/sqrt(nA), eB = x/sqrt(nB) the between value exceeds x^2 K (kB + kA y^2)/(kB + kA y)^2, and",
            CLASSES * (kB + kA * y**2) - (kB + kA * y) ** 2,
            kA * kB * (y - 1) ** 2,
        ),
        Identity(
            "(that substitution): above x^2, a contradiction, so s1 = 0 leaves the majority contrast only",
            CLASSES
            * (nA * kB * (x / sp.sqrt(nA) / (kB + kA * y)) ** 2 + nB * kA * (x / sp.sqrt(nB) / (kA + kB / y)) ** 2),
            x**2 * CLASSES * (kB + kA * y**2) / (kB + kA * y) ** 2,
        ),
        Identity(
            "s1 = 0, only the majority contrast alive: U = V there, and with rho = lambda_H/lambda_W the factor "
            "rho^(1/4) s^(1/2) of W is sqrt(nA rho) times the factor rho^(-1/4) s^(1/2) nA^(-1/2) of Hbar",
            ratio_w ** sp.Rational(1, 4) * sp.sqrt(s),
            sp.sqrt(nA * ratio_w) * (ratio_w ** sp.Rational(-1, 4) * sp.sqrt(s) / sp.sqrt(nA)),
        ),
    )


EXAMPLE = Problem.ce([(9, 2), (4, 3)], "0.03")
PENALISED = Problem.ce([(16, 3), (4, 2)], "0.05", bias="1/25")
MAJORITY_ONLY = Problem.ce([(16, 3), (4, 2)], 1).at("10.89")
S_A, S_B = tA * kA * kB / K, tB * kA * kB / K


def _equal(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


structure = Claim(
    id="HL23-02",
    title="Block structure inside equal-size clusters; no equiangular frame in general",
    kind="structure",
    paper=PAPER,
    statement=(
        r"Z^*_{cc} = \alpha_c I + \beta_c J,\quad Z^*_{cc'} = \beta_{cc'} J,\quad b \text{ equal inside a cluster}",
        r"Z_{AA} = a I + \frac{S_A - a}{k_A} J,\ Z_{BA} = -\frac{S_A}{k_B} J,\ Z_{BB} = b I + \frac{S_B - b}{k_B} J,\ "
        r"Z_{AB} = -\frac{S_B}{k_A} J,\quad b_A = \frac{k_B \delta}{K},\ b_B = -\frac{k_A \delta}{K}",
        r"\text{singular values of } Z D^{1/2}: a \sqrt{n_A}\ (k_A - 1),\ b \sqrt{n_B}\ (k_B - 1),\ "
        r"s_1 = \sqrt{\tfrac{k_A k_B}{K} (n_A k_A t_A^2 + n_B k_B t_B^2)},\ 0",
        r"K \geq 3,\ n_A \neq n_B,\ w_k = 1,\ Z^* \neq 0: \text{ no frame; }"
        r" W \not\propto \bar H^\top \text{ iff } s_1 > 0;"
        r"\text{ else } W = \sqrt{n_A \lambda_H/\lambda_W}\, \bar H^\top",
    ),
    relations=(
        _equal(deviation, sp.Integer(0)),
        _equal(bias_deviation, sp.Integer(0)),
        _equal(own_A, a + (S_A - a) / kA),
        _equal(sibling_A, (S_A - a) / kA),
        _equal(cross_A, -S_A / kB),
        _equal(own_B, b + (S_B - b) / kB),
        _equal(sibling_B, (S_B - b) / kB),
        _equal(cross_B, -S_B / kA),
        _equal(bias_A, kB * delta / K),
        _equal(bias_B, -kA * delta / K),
        _equal(s1**2, kA * kB / K * (nA * kA * tA**2 + nB * kB * tB**2)),
        _equal(nuclear, (kA - 1) * a * sp.sqrt(nA) + (kB - 1) * b * sp.sqrt(nB) + s1),
        _equal(frobenius2, (kA - 1) * a**2 * nA + (kB - 1) * b**2 * nB + s1**2),
        sp.Lt(0, frame_defect, evaluate=False),
        sp.Lt(alignment_alive, 1, evaluate=False),
        _equal(alignment_dead, sp.Integer(1)),
        _equal(ratio, nA),
    ),
    read=block_readings,
    hypotheses=(WIDE,),
    witness=EXAMPLE,
    family=Family(sizes="any", weights=True, near=("merge", "between", "collapse")),
    settings=(EXAMPLE, PENALISED, MAJORITY_ONLY, Problem.ce([(9, 2), (4, 2), (1, 1)], "0.03", bias="free")),
    derivation=block_derivation,
    rests_on=frozenset({"HL23-03"}),
    required="proved",
    mutants=(
        Mutant("S_A = tA kB/K", (_equal(own_A, a + (tA * kB / K - a) / kA),), problem=EXAMPLE),
        Mutant(
            "singular value a without sqrt(nA)", (_equal(nuclear, (kA - 1) * a + (kB - 1) * b + s1),), problem=EXAMPLE
        ),
        Mutant(
            "multiplicity kA instead of kA - 1",
            (_equal(nuclear, kA * a * sp.sqrt(nA) + kB * b * sp.sqrt(nB) + s1),),
            problem=EXAMPLE,
        ),
        Mutant("s1 without sqrt(kA kB/K)", (_equal(s1**2, nA * kA * tA**2 + nB * kB * tB**2),), problem=EXAMPLE),
        Mutant("the columns form an ETF whenever Z* != 0", (_equal(frame_defect, sp.Integer(0)),), problem=EXAMPLE),
        Mutant(
            "NC3 fails by a thousandth whenever nA != nB",
            (sp.Lt(alignment_dead, sp.Rational(999, 1000), evaluate=False),),
            problem=MAJORITY_ONLY,
        ),
    ),
    note="That W is not proportional to Hbar^T while s1 > 0 needs K >= 3, like the absence of frames: two classes "
    "without a bias have z_1 = -z_2 (HL23-09), a frame, and W = c Hbar^T whatever the sizes. Both negative parts are "
    "stated without class weights; the block form and the singular values hold with them.",
)
