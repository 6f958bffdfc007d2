"""Problems that several claims on unit vectors look at."""

from __future__ import annotations

from fractions import Fraction

from theory.problem import Problem

WORKED = Problem.sphere(6, 5, 2)
PAIR = Problem.sphere(2, 1, 1)
TRIANGLE = Problem.sphere(3, 2, 1, families=1)
COLD = Problem.sphere(4, 3, 12)
"""A large inverse temperature: the surface is flat around the optimum."""
ROOMY = Problem.sphere(4, 6, "1/2")
SQUARE = Problem.sphere(4, 2, 1, families=1)
PENTAGON = Problem.sphere(5, 2, 1, families=1)
HEPTAGON = Problem.sphere(7, 2, 3, families=1)
DODECAGON = Problem.sphere(12, 2, 1, families=1)
LINE = Problem.sphere(3, 1, 1, families=1)
"""On a line the optimum is 1, 1, -1: its points do not look alike."""
BIPYRAMID = Problem.sphere(5, 3, 1, families=1)
CROSSING = Fraction(34, 5)
"""Up to this inverse temperature the bipyramid was best in every run."""
PYRAMID = Problem.sphere(5, 3, 7, families=1)
"""Beyond it a square pyramid is better."""
