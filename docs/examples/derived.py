"""MY-03: equal sizes, no bias: e^alpha = 1 + max(0, 1/(lambda sqrt(n)) - K), from HL23-02, HL23-03 and HL23-04."""

from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.quick import *


def derivation() -> Derivation:
    """Two equations for p and q; what is substituted is the claim."""
    more = sp.Symbol("c", positive=True)  # c = 1/(lambda sqrt(n)) - K, positive below the threshold
    grown = 1 + more  # e^alpha
    own, other = grown / (grown + K - 1), 1 / (grown + K - 1)  # softmax of K classes at equal distances alpha
    inverse = {lam: 1 / (sp.sqrt(n) * (K + more))}
    return Derivation(
        steps=(
            Lemma("all pairs of classes have the same alpha", "HL23-02"),
            Lemma("below the threshold p - q = 1 - x/sqrt(n), at and above it alpha = 0", "HL23-03"),
            Lemma("the threshold is x = sqrt(n)", "HL23-04"),
            Identity("p + (K - 1) q = 1", own + (K - 1) * other, sp.Integer(1)),
            Identity(
                "p - q = 1 - x/sqrt(n) with x = lambda K n, N = K n",
                own - other,
                (1 - lam * K * sp.sqrt(n)).subs(inverse),
            ),
            Positive("p - q grows with c: no other value of alpha fits", sp.diff(own - other, more)),
            Positive("c > 0 is x < sqrt(n): 1 - x/sqrt(n)", (1 - lam * K * sp.sqrt(n)).subs(inverse)),
        )
    )


balanced = conjecture(
    "MY-03",
    sp.Eq(alpha, sp.log(1 + sp.Max(0, 1 / (lam * sp.sqrt(n)) - K)), evaluate=False),
    title="Logit gap for equal sizes",
    hypotheses=(
        Hypothesis(
            "equal sizes and weights",
            lambda problem: len(problem.clusters) == 1 and problem.clusters[0].weight == 1,
            dropped=Problem.ce([(9, 2), (4, 2)], "0.03"),
        ),
        Hypothesis("d >= K - 1", lambda problem: problem.dim >= problem.K - 1, dropped="below that HL23-01 fails"),
    ),
    witness=Problem.ce([(9, 4)], "1/30"),
    family=Family(sizes="balanced", bias=("none",), near=("merge",)),
    derivation=derivation,
    rests_on=frozenset({"HL23-02", "HL23-03", "HL23-04"}),
    status="theorem",
    required="proved",
    mutants=(
        Mutant(
            "K - 1 for K",
            relations=(sp.Eq(alpha, sp.log(1 + sp.Max(0, 1 / (lam * sp.sqrt(n)) - K + 1)), evaluate=False),),
        ),
    ),
)
