"""No weight or loss keeps a trained classifier alive at every lam; a fixed frame classifier does: NR26-08."""

from __future__ import annotations

import sympy as sp

from theory.claim import Claim, Family, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import WIDE
from theory.new_results.complete_collapse import (
    CONVEX,
    FLAT,
    UNBIASED_HERE,
    norm2,
    norm2_root,
    norm_derivation,
    norm_readings,
)
from theory.problem import Problem
from theory.symbols import K, N, dead, x

PAPER = "new_results"


def cure_derivation() -> Derivation:
    """(a) is NR26-05; (b) one sample: h = beta w_k solves a scalar equation without n_k."""
    beta, length, decay, E, d = sp.symbols("beta s_w lam_H E d", positive=True)
    own, wrong = E / (E + K - 1), 1 / (E + K - 1)
    side = K / (sp.exp(beta * length**2 * K / (K - 1)) + K - 1)
    return Derivation(
        steps=(
            *norm_derivation().steps,
            Lemma(
                "(a) the norm of NR26-05 is finite whatever the knobs are: from there on everything is zero", "NR26-05"
            ),
            Lemma(
                "(b) with W fixed the problem separates into samples, all with the factor 1/N; strictly convex in h",
                "lam_H > 0",
            ),
            Identity(
                "frame: own logit minus another one at h = beta w_k",
                beta * length**2 - (-beta * length**2 / (K - 1)),
                beta * length**2 * K / (K - 1),
            ),
            Identity(
                "the rows of a frame sum to 0: sum_j p_j w_j = (own - wrong) w_k", own - wrong, (E - 1) / (E + K - 1)
            ),
            Identity(
                "so -gradient = (1 - own + wrong) w_k, which is K/(E + K - 1) w_k", 1 - own + wrong, K / (E + K - 1)
            ),
            Identity("equal to lam_H N h = lam_H N beta w_k: left side at beta = 0", side.subs(beta, 0), sp.Integer(1)),
            Positive("the left side decreases in E = exp(...)", -sp.diff(K / (E + K - 1), E).subs(K, 1 + d)),
            Positive(
                "the right side grows from 0: exactly one root beta > 0, for every lam_H > 0",
                sp.diff(decay * N * beta, beta),
            ),
            Identity("K = 2: 2/(exp(2 beta s^2) + 1)", side.subs(K, 2), 2 / (sp.exp(2 * beta * length**2) + 1)),
        )
    )


STEP = Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (3, 2)])

cure = Claim(
    id="NR26-08",
    title="No cure for every lam with a trained classifier; a fixed frame is one",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{(a) trained } W \text{: for every choice of weights, decays, smoothing and shifts } Z^* = 0 "
        r"\text{ once }"
        r"\lambda N \text{ reaches the norm of NR26-05}",
        r"\text{(b) } W \text{ fixed to a simplex ETF with rows of length } s_w:\ h_k = \beta w_k,\quad"
        r"\frac{K}{\exp(\beta s_w^2 K/(K-1)) + K - 1} = \lambda_H N \beta,\quad \beta > 0 \text{ for every } "
        r"\lambda_H > 0",
    ),
    relations=(sp.Equivalent(dead, x**2 >= norm2),),
    read=norm_readings,
    hypotheses=(CONVEX, FLAT, UNBIASED_HERE, WIDE),
    witness=STEP.with_loss(feature_decay=[(1, 2), ("1/4", 2)]).at(200),
    family=Family(
        sizes="any",
        bias=("none",),
        near=("collapse",),
        model="loss",
        knobs=("weights", "smoothing", "feature_decay", "row_decay"),
    ),
    settings=(STEP.with_loss(adjustment=1).at(30), STEP.at(40)),
    derivation=cure_derivation,
    rests_on=frozenset({"NR26-01", "NR26-05"}),
    required="proved",
    source="ours; elementary",
    mutants=(
        Mutant("weights keep everything alive", (sp.Equivalent(dead, x**2 >= 10**6 * norm2),), problem=STEP.at(40)),
        Mutant("sqrt(w)", (sp.Equivalent(dead, x**2 >= norm2_root),), problem=STEP.at(20)),
    ),
    note="Part (b) rests on its derivation alone: a fixed classifier is none of the models that are solved here.",
)
