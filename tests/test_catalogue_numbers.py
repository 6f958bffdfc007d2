"""Every number printed with the claims on two sizes, recomputed from the objective alone.

Nothing of the claims or of the solvers enters: the convex objective is written down for kA classes of size nA and
kB of size nB, minimised in floats, and its gradient is solved to 25 digits.
"""

import mpmath
import numpy as np
import pytest
import sympy as sp
from mpmath import mp, mpf
from scipy.linalg import svd
from scipy.optimize import minimize

GAPS = a, b, tA, tB, delta = sp.symbols("a b tA tB delta")
CONSTANTS = kA, nA, kB, nB, x, mu = sp.symbols("kA nA kB nB x mu")


def objective():
    """N F, and N F without the singular value of the cluster means (for tA = tB = 0, where it has a kink)."""
    K, N = kA + kB, kA * nA + kB * nB
    odds_A = (kA - 1) * sp.exp(-a) + kB * sp.exp(-a * (kA - 1) / kA - tA - delta)
    odds_B = (kB - 1) * sp.exp(-b) + kA * sp.exp(-b * (kB - 1) / kB - tB + delta)
    smooth = nA * kA * sp.log(1 + odds_A) + nB * kB * sp.log(1 + odds_B) + N * mu * kA * kB * delta**2 / K
    smooth += x * ((kA - 1) * a * sp.sqrt(nA) + (kB - 1) * b * sp.sqrt(nB))
    return smooth + x * sp.sqrt(kA * kB / K * (nA * kA * tA**2 + nB * kB * tB**2)), smooth


VALUES = [sp.lambdify([GAPS, CONSTANTS], value, "numpy") for value in objective()]
EXACT = [sp.lambdify([GAPS, CONSTANTS], value, "mpmath") for value in objective()]
SLOPES = [sp.lambdify([GAPS, CONSTANTS], [value.diff(gap) for gap in GAPS], "mpmath") for value in objective()]
START = {"a": 2.0, "b": 1.5, "tA": 1.0, "tB": 1.0, "delta": 0.0}


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(25):
        yield


class Optimum:
    """Minimiser in the gaps named ``alive``; the others are 0. ``bias`` is mu, or None without a bias."""

    def __init__(self, sizes, x, bias=None, alive=("a", "b", "tA", "tB")):
        names = [*alive, *(["delta"] if bias is not None else [])]
        self.sizes, self.x, self.bias = sizes, mpf(x), mpf(bias or 0)
        constants = [mpf(value) for value in (*sizes, self.x, self.bias)]
        dead = int("tA" not in alive)

        def full(values):
            gaps = dict.fromkeys(START, mpf(0)) | dict(zip(names, values, strict=True))
            return [gaps[str(gap)] for gap in GAPS]

        def value(values):
            return VALUES[dead]([float(gap) for gap in full(values)], [float(c) for c in constants])

        def slopes(*values):
            every = dict(zip(START, SLOPES[dead](full(values), constants), strict=True))
            return [every[name] for name in names]

        rough = [mpf(float(gap)) for gap in minimize(value, [START[name] for name in names]).x]
        if len(names) > 1:
            solved = list(mpmath.findroot(slopes, rough))
        else:
            solved = [mpmath.findroot(lambda gap: slopes(gap)[0], rough[0])]
        self.a, self.b, self.tA, self.tB, self.delta = full(solved)
        self.N = sizes[0] * sizes[1] + sizes[2] * sizes[3]
        self.value = EXACT[dead](full(solved), constants) / self.N

    @property
    def probabilities(self):
        """(own, sibling, other) of an A and of a B sample."""
        kA, _, kB, _ = self.sizes
        rows = []
        for k, other, gap, between in ((kA, kB, self.a, self.tA + self.delta), (kB, kA, self.b, self.tB - self.delta)):
            cross = mpmath.exp(-gap * (k - 1) / mpf(k) - between)
            own = 1 / (1 + (k - 1) * mpmath.exp(-gap) + other * cross)
            rows.append((own, own * mpmath.exp(-gap), own * cross))
        return rows

    @property
    def block_norm(self):
        """Norm of (I - P) D^(1/2) on vectors constant in each cluster; the matrix has rank one."""
        kA, nA, kB, nB = self.sizes
        (*_, rA), (*_, rB) = self.probabilities
        left, right = [kB * rA, -mpmath.sqrt(kA * kB) * rA], [-mpmath.sqrt(kA * kB) * rB, kA * rB]
        return mpmath.sqrt(sum(nA * v**2 for v in left) + sum(nB * v**2 for v in right))

    @property
    def X(self):
        """Z D^(1/2) in floats, built from the four gaps."""
        kA, nA, kB, nB = (int(size) for size in self.sizes)
        gap_A, gap_B, between_A, between_B = (float(v) for v in (self.a, self.b, self.tA, self.tB))
        indicator = np.repeat([1.0, 0.0], [kA, kB])
        Z = np.outer(kB * indicator - kA * (1 - indicator), between_A * indicator - between_B * (1 - indicator)) / (
            kA + kB
        )
        Z[:kA, :kA] += gap_A * (np.eye(kA) - 1 / kA)
        Z[kA:, kA:] += gap_B * (np.eye(kB) - 1 / kB)
        return Z * np.sqrt(np.repeat([nA, nB], [kA, kB]))

    @property
    def columns(self):
        """Cosines AA, BB, AB of the columns of Z."""
        return cosines(self.X.T @ self.X, self.sizes[0])

    @property
    def rows(self):
        """Cosines AA, BB, AB of the rows of Z."""
        Z = self.X / np.sqrt(np.repeat([float(n) for n in self.sizes[1::2]], self.sizes[::2]))
        return cosines(Z @ Z.T, self.sizes[0])

    @property
    def classifier(self):
        """Cosines AA, BB, AB of the rows of W."""
        return cosines(left_gram(self.X), self.sizes[0])


def left_gram(X):
    """(X X^T)^(1/2), to which W W^T is proportional; that of the features is D^(-1/2) (X^T X)^(1/2) D^(-1/2)."""
    U, values, _ = svd(X, lapack_driver="gesvd")
    return (U * values) @ U.T


def cosines(gram, k):
    """Cosines of the first two A classes, of the last two B classes, and of one of each."""
    norms = np.sqrt(np.diag(gram))
    angles = gram / np.outer(norms, norms)
    return angles[0, 1], angles[-1, -2], angles[0, k]


def between_threshold(sizes, bias, start):
    """x at which the solution with tA = tB = 0 stops being optimal, for x >= sqrt(nB)."""

    def excess(x):
        return Optimum(sizes, x, bias, alive=("a",)).block_norm - x

    return mpmath.findroot(excess, (mpf(start), mpf(start) * mpf("1.01")), solver="secant")


def wrong(values, expected):
    """Values that differ from their printed form by a unit of its last digit or more, with that form."""
    pairs = [(mpf(value), text) for value, text in zip(values, expected.split(), strict=True)]
    units = [mpf(10) ** -len(text.split(".")[1]) for _, text in pairs]
    return [
        (mpmath.nstr(value, 15), text)
        for (value, text), unit in zip(pairs, units, strict=True)
        if abs(value - mpf(text)) >= unit
    ]


def test_example_1_everything_alive():
    found = Optimum((2, 9, 3, 4), "0.9")
    assert not wrong((found.a, found.b, found.tA, found.tB), "2.66671127917 1.88293501258 1.11297114787 0.876403049479")
    assert not wrong([svd(found.X, lapack_driver="gesvd")[1][1]], "6.14950472440")
    assert not wrong([found.value], "0.994356600214")
    A, B = found.probabilities
    assert not wrong(A, "0.752267833462 0.0522678334621 0.0651547776919")
    assert not wrong(B, "0.648694226291 0.0986942262910 0.0769586605634")
    assert abs(A[0] - A[1] - mpf("0.7")) < mpf(10) ** -20
    assert abs(B[0] - B[1] - mpf("0.55")) < mpf(10) ** -20
    assert not wrong(found.columns, "-0.410388623757 -0.0791750370181 -0.287589513938")
    assert not wrong(found.classifier, "-0.368733210202 -0.130717375079 -0.278756678343")


def test_example_1_thresholds():
    assert not wrong([between_threshold((2, 9, 3, 4), None, "2.6") / 30], "0.0866992949534")
    assert not wrong([between_threshold((2, 9, 3, 4), 0, "2.4") / 30], "0.0805844911743")


def test_example_2_only_the_majority_contrast():
    found = Optimum((3, 16, 2, 4), "2.8", "0.02", alive=("a",))
    assert not wrong((found.a, found.delta, found.value), "1.01161243648 0.950240358007 1.39633806293")
    A, B = found.probabilities
    assert not wrong(A, "0.471425466825 0.171425466825 0.0928617997620")
    assert not wrong(B, "0.102469581573 0.102469581573 0.265020278951")
    scalars = 4 * (1 - A[0] + A[1]) / found.x, 2 / found.x, found.block_norm / found.x
    assert not wrong(scalars, "1.000000000000 0.714285714286 0.844691943011")


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        (None, "5.09259938291"),
        (1, "4.867649146"),
        ("0.03", "3.969784"),
        ("0.01", "3.942208"),
        ("0.001", "3.969166"),
        (0, "3.97569363682"),
    ],
)
def test_between_threshold_under_biases(bias, expected):
    assert not wrong([between_threshold((3, 60, 3, 10), bias, expected)], expected)


def test_minority_is_dead_beyond_the_between_threshold():
    assert between_threshold((3, 16, 2, 4), None, "3.1") < mpf("3.3") < 4


def test_rows_of_the_logits_have_other_angles():
    found = Optimum((5, 500, 5, 250), "0.1", "0.01")
    assert not wrong(found.columns, "-.138152 -.077552 -.111105")
    assert not wrong(found.rows, "-.117207 -.099958 -.112923")


def test_growing_data():
    assert not wrong(Optimum((5, 2500, 5, 1250), "0.1", "0.01").columns, "-.136219 -.079977 -.111270")
    assert not wrong(Optimum((5, 5500, 5, 2750), "0.1", "0.01").columns, "-.135446 -.080966 -.111322")


@pytest.mark.parametrize(("size", "product", "angle"), [(500, ".1696", "-.13982"), (5500, ".4650", "-.13917")])
def test_weight_decay_changes_the_effective_lambda(size, product, angle):
    N = 5 * size + 5 * size // 2
    l = mpf("0.1") / N
    x = 2 * mpmath.sqrt(l / 20 * (5 * l + mpf("2.5e-4"))) * N
    assert not wrong([x], product)
    assert not wrong(Optimum((5, size, 5, size // 2), x, "0.01").columns[:1], angle)


def test_simplex_encoded_labels_at_ratio_six():
    X = (np.eye(7) - 1 / 7) * np.sqrt(np.repeat([6.0, 1.0], [3, 4]))
    scale = np.sqrt(np.repeat([6.0, 1.0], [3, 4]))
    assert not wrong(cosines(left_gram(X), 3)[:1], "-0.220423976359")
    assert not wrong(cosines(left_gram(X.T) / np.outer(scale, scale), 3)[:1], "-0.105910609437")


@pytest.mark.parametrize(
    ("k", "grid"),
    [(5, (".0027", ".0075")), (3, (".0037", ".0102"))],
)
def test_lambda_sweeps_bracket_the_thresholds(k, grid):
    N = k * 500 + (10 - k) * 100
    first, last = (mpf(end) * N for end in grid)
    assert first < 10 < between_threshold((k, 500, 10 - k, 100), "0.01", "14") < mpmath.sqrt(500) < last
