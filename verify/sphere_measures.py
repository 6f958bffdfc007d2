"""Divergences of smeared point sets on the circle, in balls."""

from __future__ import annotations

from typing import Any

from flint import acb, arb
from numpy.typing import NDArray

__all__ = ["divergences", "smeared_divergence"]

Array = NDArray[Any]
MOST_TERMS = 600
TAIL = 2.0**-60
BOXES = 360


def divergences(a: Any, vectors: Array) -> dict[str, Any]:
    """``kl_root`` and ``kl_kernel``: KL(q * mu | sigma) and KL(p * mu | sigma) of unit vectors in the plane.

    Parameters
    ----------
    a : inverse temperature, a ball.
    vectors : (n, 2) array of balls, unit vectors in the rows (n x 1 on a line); mu gives each the weight 1/n.

    Returns
    -------
    dict
        p = exp(a <x, y>)/c_2(a) and q its square root under convolution. Empty where the series is too long.

    Examples
    --------
    >>> from verify.sphere import n_gon
    >>> found = divergences(arb(3), n_gon(5))
    >>> round(float(found["kl_root"]), 6), round(float(found["kl_kernel"]), 6)
    (0.018831, 0.000349)
    """
    ratios = _ratios(a)
    if ratios is None:
        return {}
    moments = _moments(vectors, len(ratios))
    roots = [ratio.sqrt() for ratio in ratios]
    return {
        "kl_root": smeared_divergence(roots, moments),
        "kl_kernel": smeared_divergence(ratios, moments),
    }


def _ratios(a: Any) -> list[Any] | None:
    """I_k(a)/I_0(a) for k >= 1 until the square root is small and the ratio of successive terms below 1/4."""
    first, found = a.bessel_i(arb(0)), []
    for k in range(1, MOST_TERMS):
        found.append(a.bessel_i(arb(k)) / first)
        # I_(k+1)/I_k < a/(2(k+1)) <= 1/16, so square roots shrink by 1/4
        if a < arb(k + 1) / 8 and found[-1].sqrt() < TAIL:
            return found
    return None


def _moments(vectors: Array, count: int) -> list[Any]:
    """Means of exp(i k theta), k = 1..count."""
    points = [acb(*vector) for vector in vectors]
    powers, found = [acb(1)] * len(points), []
    for _ in range(count):
        powers = [power * z for power, z in zip(powers, points, strict=True)]
        found.append(sum(powers, acb(0)) / len(points))
    return found


def smeared_divergence(coefficients: list[Any], moments: list[Any]) -> Any:
    """Mean over the circle of h log h, h(t) = 1 + 2 sum_k coefficient_k Re(moment_k exp(-i k t)).

    Midpoint rule with the second derivative h'' log h + h'^2/h of h log h - h + 1 enclosed on each box. Coefficients
    beyond the last one shrink by 1/4 or faster; as (K + j)^2 <= K^2 (1 + j)^2, they add at most 4 K^2 times the last
    one to h, h' and h''.

    Examples
    --------
    >>> float(smeared_divergence([arb(0)], [acb(1)]))
    0.0
    """
    tail = arb(0, (4 * len(coefficients) ** 2 * coefficients[-1]).upper())
    terms = [2 * weight * moment for weight, moment in zip(coefficients, moments, strict=True)]

    def derivatives(t: Any) -> tuple[Any, Any, Any]:
        """h, h' and h'' on a ball."""
        found, turn = [acb(1), acb(0), acb(0)], acb(0, -t).exp()
        power = acb(1)
        for k, term in enumerate(terms, start=1):
            power = power * turn
            part = term * power
            found = [found[0] + part, found[1] + acb(0, -k) * part, found[2] - k * k * part]
        return found[0].real + tail, found[1].real + tail, found[2].real + tail

    boxes = BOXES * (1 + len(terms) // 40)
    total, half = arb(0), arb.pi() / boxes
    for box in range(boxes):
        centre = (2 * box + 1) * half
        step = arb(0, half.upper())
        h, slope, _ = derivatives(centre)
        curve = derivatives(centre + step)[2]
        slope = slope + curve * step
        second = curve * (h + slope * step).log() + slope * slope / (h + slope * step)
        total += h * h.log() - h + 1 + second * half * half / 6
    return total / boxes
