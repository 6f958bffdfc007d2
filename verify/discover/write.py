"""A proposal as a conjecture file that ``verify run`` checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import verify
from verify.counts import InputError
from verify.discover.laws import Law
from verify.discover.proposals import Proposal
from verify.discover.search import Findings
from verify.scaffold import claim_path, write_claim

__all__ = ["write"]

TEMPLATE = Path(verify.__file__).parent / "templates" / "discovered.py.txt"


@dataclass(frozen=True)
class Setting:
    """How a claim about a quantity is written: witness, family, readings, hypothesis (all Python source)."""

    witness: str
    family: str
    hypothesis: str
    applies: str
    symbols: dict[str, str]
    state: str = ""
    exact: str = "None"
    helper: str = ""
    imports: str = ""


SIZES = {
    "k_A": "sp.Integer(A.classes)",
    "n_A": "rational(A.size)",
    "k_B": "sp.Integer(B.classes)",
    "n_B": "rational(B.size)",
    "K": "sp.Integer(problem.K)",
    "N": "rational(problem.N)",
}
DECAYS = {"lambda_w": "rational(problem.lambda_w)", "lambda_h": "rational(problem.lambda_h)"}
CONTRAST = "dead_state((optimum.contrasts or (None,))[-1])"
EXACT = "dead_state((optimum.exact_contrasts or (None,))[-1])"
PRODUCT = "sign(optimum.gram_classifier, *B.members[:2])"
SIGN = '''
def sign(table, k, other):
    """True where an entry is positive, False where it is negative, None where it is unknown."""
    entry = None if table is None else table[k, other]
    return None if entry is None or not (entry > 0 or entry < 0) else bool(entry > 0)

'''
PLAIN = 'problem.bias == "none" and all(c.weight == 1 for c in problem.clusters)'
PAIR = "len(problem.clusters) == 2 and problem.clusters[-1].classes >= 2"
TWO = "two sizes, at least two classes of the smaller one, no bias, no weights"
EQUAL = {"K": SIZES["K"], "n": "rational(A.size)"}

SETTINGS = {
    ("ce", "threshold:cluster_merge"): Setting(
        'Problem.ce([(12, 3), (5, 2)], "1/30")',
        'Family(sizes="two", bias=("none",), near=("merge",))',
        TWO,
        f'problem.key == "ce" and {PLAIN} and {PAIR} and problem.dim >= problem.K - 1',
        SIZES | DECAYS,
        CONTRAST,
        EXACT,
    ),
    ("ce", "threshold:one_against_all"): Setting(
        'Problem.ce([(12, 1), (5, 2)], "1/30")',
        'Family(sizes="two", bias=("none",), near=("between",))',
        "one large class, at least two equal smaller ones, no bias, no weights",
        f'problem.key == "ce" and {PLAIN} and {PAIR} and problem.clusters[0].classes == 1 '
        "and problem.dim >= problem.K - 1",
        SIZES | DECAYS,
        "between_states(optimum)[dead]",
        "between_states(optimum)[dead_exact]",
        imports="from theory.observables import between_states\n",
    ),
    ("ce", "threshold:complete_collapse"): Setting(
        'Problem.ce([12, 5, 2], "1/30")',
        'Family(sizes="distinct", bias=("none",), near=("collapse",))',
        "three classes of different sizes, no bias, no weights",
        f'problem.key == "ce" and {PLAIN} and [c.classes for c in problem.clusters] == [1, 1, 1] and problem.dim >= 2',
        {f"n_{i + 1}": f"rational(problem.clusters[{i}].size)" for i in range(3)} | {"N": SIZES["N"]} | DECAYS,
        "False if optimum.rank[0] > 0 else True if optimum.rank[1] == 0 else None",
    ),
    ("ce-relu", "threshold:class_zero"): Setting(
        'Problem.ce([(12, 3), (5, 2)], "1/30", model="ce-relu")',
        'Family(sizes="two", bias=("none",), near=("zero",), model="ce-relu")',
        TWO,
        f'problem.key == "ce-relu" and {PLAIN} and {PAIR} and problem.dim >= problem.K',
        SIZES | DECAYS,
        CONTRAST,
        EXACT,
    ),
    ("mse", "threshold:class_zero"): Setting(
        'Problem.mse([(12, 3), (5, 2)], ["1/30"] * 2, "1/20")',
        'Family(sizes="two", bias=("none",), near=("zero",), model="mse", depths=(1, 2, 3, 4, 5, 6))',
        "two sizes, at least two classes of the smaller one, no bias; lambda_w is the decay of the last layer, "
        "lambda_h the product of all over lambda_w^M (the numbers came from layers of equal decay)",
        f'problem.model == "mse" and problem.bias == "none" and {PAIR} and problem.dim >= problem.K',
        SIZES
        | {
            "M": "sp.Integer(problem.depth)",
            "lambda_w": "rational(problem.lambda_w)",
            "lambda_h": "rational(problem.product / problem.lambda_w**problem.depth)",
        },
        CONTRAST,
        'None if class_states(optimum)[-1][1] is None else class_states(optimum)[-1][1] != "alive"',
        imports="from theory.mse_observables import class_states\n",
    ),
    ("mse", "value"): Setting(
        'Problem.mse([(5, 3)], "1/40", "1/50")',
        'Family(sizes="balanced", bias=("none",), near=(), model="mse")',
        "equal sizes, one layer, no bias, 4 lambda_w lambda_h K^2 n < 1",
        'problem.model == "mse" and problem.bias == "none" and problem.depth == 1 and len(problem.clusters) == 1 '
        "and problem.dim >= problem.K "
        "and 4 * problem.lambda_w * problem.lambda_h * problem.K**2 * problem.clusters[0].size < 1",
        EQUAL | DECAYS,
    ),
    ("uf-svm", "threshold:minority_orthogonal"): Setting(
        "Problem.svm([(12, 3), (5, 2)])",
        'Family(sizes="two", near=("orthogonal",), model="uf-svm")',
        "two sizes, at least two classes of the smaller one",
        f'problem.model == "uf-svm" and {PAIR} and problem.dim >= problem.K - 1',
        SIZES | {"R": "rational(A.size / B.size)"},
        PRODUCT,
        'optimum.facts.get("orthogonal") or None',
        SIGN,
    ),
    ("uf-svm", "value"): Setting(
        "Problem.svm([(5, 3)])",
        'Family(sizes="balanced", near=(), model="uf-svm")',
        "equal sizes",
        'problem.model == "uf-svm" and len(problem.clusters) == 1 and problem.dim >= problem.K - 1',
        EQUAL,
    ),
}


def write(identifier: str, findings: Findings, seed: int) -> Path:
    """Write the simplest surviving proposal to ./conjectures and return the path.

    Raises
    ------
    InputError
        If there is no surviving proposal, or the file cannot be written (see :func:`verify.scaffold.claim_path`).

    Examples
    --------
    >>> from verify.discover import discover, find
    >>> write("MINE-01", discover(find("uf-svm", "value"), budget=0), seed=0)
    Traceback (most recent call last):
        ...
    verify.counts.InputError: --write MINE-01: there is no proposal to write (the budget ended)
    """
    quantity = findings.quantity
    if not findings.survivors:
        raise InputError(f"--write {identifier[:40]}: there is no proposal to write ({findings.reason})")
    setting = SETTINGS.get((quantity.model, quantity.name))
    if setting is None:
        raise InputError(f"--write {identifier[:40]}: no claim about {quantity.model} {quantity.name} can be written")
    proposal = findings.survivors[0]
    text = source(findings, proposal, setting, seed).replace("IDENTIFIER", identifier)
    return write_claim(claim_path(identifier), text)


def source(findings: Findings, proposal: Proposal, setting: Setting, seed: int) -> str:
    """The file, with IDENTIFIER in place of the ID."""
    quantity, law = findings.quantity, proposal.law
    state = quantity.sign is not None
    left, right, root = sides(law, state)
    guarded = re.search(rf"\({quantity.index} - 1\)\*\*(\([^()]*\)|\w+)", f"{left} {right}") if quantity.index else None
    symbols = {
        name: text for name, text in setting.symbols.items() if re.search(rf"\b{name}\b", f"{left} {right} {root}")
    }
    if guarded is not None:  # a number, not a power: balls have no 0^0
        left, right = (side.replace(guarded[0], "below") for side in (left, right))
        symbols["below"] = f"({guarded[0]}).subs({quantity.index}, {symbols[quantity.index or '']})"
    relation = "sp.Equivalent(dead, LEFT >= {})" if state else "sp.Eq(LEFT, {}, evaluate=False)"
    names = [*symbols, *([] if state else [law.unknown]), *(["threshold"] if root else [])]
    fields = {
        "EQUATION": law.equation(),
        "MODEL": quantity.model,
        "QUANTITY": quantity.name,
        "SEED": str(seed),
        "EVIDENCE": quantity.evidence,
        "FITTED": str(proposal.fitted),
        "VERDICT": proposal.verdict,
        "SYMBOLS": ", ".join(names),
        "NAMES": " ".join(names),
        "WITNESS": setting.witness,
        "HELPER": setting.helper,
        "IMPORTS": setting.imports,
        "READ": reader(replace(setting, symbols=symbols), law.unknown, state, root),
        "APPLIES": setting.applies,
        "LEFT": left,
        "RIGHT": right,
        "TITLE": quantity.text,
        "KIND": "threshold" if state else "equality",
        "STATEMENT": "sp.latex(sp.Equivalent(dead, LEFT >= RIGHT))" if state else "sp.latex(sp.Eq(LEFT, RIGHT))",
        "RELATION": relation.format("RIGHT"),
        "HYPOTHESIS": setting.hypothesis,
        "FAMILY": setting.family,
        "MUTANT": relation.format("2 * RIGHT"),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in fields.items():
        text = text.replace(f"@{name}@", value)
    return text


def reader(setting: Setting, unknown: str, state: bool, root: str) -> str:
    """Body of the function that reads an optimum."""
    lines = [f"        {name}: {value}," for name, value in setting.symbols.items()]
    if not state:
        head = ["    if optimum.lower is None or optimum.upper is None:", "        return"]
        lines.append(f"        {unknown}: optimum.lower.union(optimum.upper),")
        return "\n".join([*head, "    yield {", *lines, "    }"])
    lines += [f"        threshold: {root},"] if root else []
    lines += [f"        dead: {setting.state},", f"        dead_exact: {setting.exact},"]
    return "\n".join(["    yield {", *lines, "    }"])


def sides(law: Law, state: bool) -> tuple[str, str, str]:
    """Left side, increasing in the unknown, and right side; for a threshold that solves a quadratic, its equation.

    Raises
    ------
    InputError
        For zeros of polynomials of degree above 2.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from verify.discover.laws import Form, Power
    >>> law = Law("t", 2, {0: Form((Power("n", Fraction(-1)),)), 1: Form((Power("K", Fraction(1)),))})
    >>> sides(law, False)[1]
    '(K + sp.sqrt((K)**2 + 4*(1/n)))/2'
    >>> sides(law, True)[2]
    'Root(threshold, threshold**2 - (K)*threshold - (1/n), (K)/2, 1 + sp.Abs(K) + sp.Abs(1/n))'
    """
    if law.binomial:
        left, _, right = law.equation().partition(" = ")
        return left, right, ""
    if law.degree > 2:
        raise InputError("a zero of a polynomial of degree above 2 has no closed form that could be written")
    constant, slope = (law.forms[i].text() if i in law.forms else "sp.Integer(0)" for i in (0, 1))
    if not state:
        sign = "-" if law.root else "+"
        return law.unknown, f"({slope} {sign} sp.sqrt(({slope})**2 + 4*({constant})))/2", ""
    far = f"1 + sp.Abs({slope}) + sp.Abs({constant})"
    ends = f"-({far}), ({slope})/2" if law.root else f"({slope})/2, {far}"
    equation = f"threshold**2 - ({slope})*threshold - ({constant})"
    return law.unknown, "threshold", f"Root(threshold, {equation}, {ends})"
