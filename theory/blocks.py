"""Symbolic algebra of matrices that are invariant under permutations inside clusters of classes.

Cluster g has a symbolic number m_g of classes. Block (h, g) of such a matrix is gap_g I (only for h = g) plus
entry_hg times a matrix of ones, so products, transposes and eigenvalues need G gaps and a G x G matrix of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

__all__ = ["Blocks", "diagonal", "ones"]


@dataclass(frozen=True)
class Blocks:
    """A block-constant matrix.

    Attributes
    ----------
    classes : (G,) number of classes per cluster.
    gaps : (G,) own minus sibling entry; the eigenvalue on the contrasts e_i - e_j of cluster g (m_g - 1 times).
    entries : (G, G) entries off the diagonal.

    Examples
    --------
    >>> m = sp.Symbol("m", positive=True)
    >>> centring = Blocks((m,), (sp.Integer(1),), sp.Matrix([[-1 / m]]))
    >>> (centring @ centring).simplified() == centring
    True
    """

    classes: tuple[sp.Expr, ...]
    gaps: tuple[sp.Expr, ...]
    entries: sp.Matrix

    @property
    def T(self) -> Blocks:
        """Transpose."""
        return Blocks(self.classes, self.gaps, self.entries.T)

    def __matmul__(self, other: Blocks) -> Blocks:
        """Product, entry by entry of (gap I + entry J)(gap' I + entry' J)."""
        left, right, m = sp.diag(*self.gaps), sp.diag(*other.gaps), sp.diag(*self.classes)
        gaps = tuple(a * b for a, b in zip(self.gaps, other.gaps, strict=True))
        return Blocks(
            self.classes, gaps, left * other.entries + self.entries * right + self.entries * m * other.entries
        )

    def __sub__(self, other: Blocks) -> Blocks:
        """Difference."""
        gaps = tuple(a - b for a, b in zip(self.gaps, other.gaps, strict=True))
        return Blocks(self.classes, gaps, self.entries - other.entries)

    def on_constant(self, values: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Image of the vector with value v_g on cluster g (again one value per cluster)."""
        image = (sp.diag(*self.gaps) + self.entries * sp.diag(*self.classes)) * sp.Matrix(values)
        return list(image)

    def quotient(self) -> sp.Matrix:
        """(G, G) matrix on the unit vectors 1_g/sqrt(m_g): with the gaps, it holds all singular values."""
        root = sp.diag(*(sp.sqrt(m) for m in self.classes))
        return sp.diag(*self.gaps) + root * self.entries * root

    def simplified(self) -> Blocks:
        """The same matrix with cancelled entries."""
        return Blocks(self.classes, tuple(sp.cancel(g) for g in self.gaps), self.entries.applyfunc(sp.cancel))

    def flat(self) -> sp.Matrix:
        """Gaps and entries as one column, to compare two matrices of the same clusters."""
        return sp.Matrix([*self.gaps, *self.entries])

    def dense(self, classes: Sequence[int]) -> sp.Matrix:
        """The matrix itself for given numbers of classes (symbols are replaced everywhere).

        Examples
        --------
        >>> k = sp.Symbol("k", positive=True)
        >>> Blocks((k,), (k,), sp.Matrix([[1 / k]])).dense([2])
        Matrix([
        [5/2, 1/2],
        [1/2, 5/2]])
        """
        values = dict(zip(self.classes, classes, strict=True))
        owner = [g for g, m in enumerate(classes) for _ in range(m)]
        return sp.Matrix(
            len(owner),
            len(owner),
            lambda j, k: (self.entries[owner[j], owner[k]] + (self.gaps[owner[k]] if j == k else 0)).subs(values),
        )


def diagonal(classes: Sequence[sp.Expr], values: Sequence[sp.Expr]) -> Blocks:
    """Diagonal matrix with one value per cluster.

    Examples
    --------
    >>> k, n = sp.symbols("k n", positive=True)
    >>> diagonal([k], [n]).dense([2])
    Matrix([
    [n, 0],
    [0, n]])
    """
    G = len(classes)
    return Blocks(tuple(classes), tuple(values), sp.zeros(G, G))


def ones(classes: Sequence[sp.Expr]) -> Blocks:
    """Matrix of ones.

    Examples
    --------
    >>> k = sp.Symbol("k", positive=True)
    >>> ones([k]).on_constant([1])
    [k]
    """
    G = len(classes)
    return Blocks(tuple(classes), (sp.Integer(0),) * G, sp.ones(G, G))
