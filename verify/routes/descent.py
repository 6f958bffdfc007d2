"""Descent from one start, for every nonconvex route."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

__all__ = ["descend", "lbfgs"]

Array = NDArray[Any]


def lbfgs(steps: int, gtol: float = 1e-13) -> dict[str, Any]:
    """Options of L-BFGS that stop for the gradient only, or after so many steps."""
    return {"maxiter": steps, "maxfun": 2 * steps, "maxcor": 20, "ftol": 0.0, "gtol": gtol}


def descend(
    value: Callable[[Array], tuple[float, Array]],
    start: Array,
    options: dict[str, Any],
    *,
    restarts: int = 3,
    method: str = "L-BFGS-B",
    bounds: Any = None,
    place: Callable[[Array], Array] = lambda v: v,
) -> tuple[float, Array]:
    """Value and unknowns at the end of a descent, restarted while that still lowers the value.

    Parameters
    ----------
    value : value and gradient.
    start : unknowns.
    options : of ``scipy.optimize.minimize``, see :func:`lbfgs`.
    restarts : descents at most; each forgets the curvature that the last one has gathered.
    method, bounds : of ``scipy.optimize.minimize``.
    place : moves unknowns, at the same value, to where the next descent shall begin.

    Examples
    --------
    >>> descend(lambda v: (float(v @ v), 2 * v), np.ones(2), lbfgs(100))
    (0.0, array([0., 0.]))
    """
    v, least = start, math.inf
    for _ in range(restarts):
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far is infinite: the line search comes back
            found = scipy.optimize.minimize(value, v, jac=True, method=method, bounds=bounds, options=options)
        if not found.fun <= least:
            break
        gain, v, least = least - found.fun, place(found.x), float(found.fun)
        if gain <= 1e-15 * abs(least):
            break
    return least, v
