"""The symbols of the cross-entropy claims. Sizes are positive rationals, gaps and logits are real."""

import sympy as sp

K, N, kA, nA, kB, nB, lam, x, mu = sp.symbols("K N k_A n_A k_B n_B lambda x mu", positive=True)
"""Classes, samples, clusters (kA classes of size nA > nB), lam = sqrt(lambda_W lambda_H), x = lam N, lambda_b/2."""

k, n, w = sp.symbols("k n w", positive=True)
"""One cluster: number of classes, their common size, their common loss weight."""

p, q, alpha = sp.symbols("p q alpha", real=True)
"""One cluster: own probability, sibling probability, own minus sibling logit."""

a, b, tA, tB, delta, s1 = sp.symbols("a b t_A t_B delta s_1", real=True)
pA, qA, rA, pB, qB, rB = sp.symbols("p_A q_A r_A p_B q_B r_B", positive=True)
"""Two clusters: gaps, own-cluster mean minus other cluster, bias gap, block singular value; probabilities."""

F = sp.Symbol("F", real=True)
"""The optimal value."""

dead = sp.Symbol("dead")
"""State: the direction that the claim speaks of vanishes in every minimiser."""

dead_exact = sp.Symbol("dead_exact")
"""The same state decided by an exact rational rule: consulted only exactly at a threshold, where gaps cannot decide."""
