"""The numbers that can be asked for, and the evidence that each rests on. No closed form is known to this package."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from theory.problem import Problem
from verify.counts import InputError
from verify.discover.measure import Config, Parameter, Quantity
from verify.kernel import Outcome

__all__ = ["QUANTITIES", "find", "of_model"]

STATES = {"alive": -1, "dead": 1}
SMALL = tuple(range(2, 8))
SIZES = tuple(range(1, 14))
DECAYS = tuple(Fraction(1, p) for p in (1, 2, 3, 5, 7, 11, 13, 17))
WIDE = tuple(range(2, 31))
LARGE = tuple(range(1, 301))
FINE = tuple(Fraction(a, b) for a in range(1, 12) for b in range(1, 40, 3))

GAP = "from the gap between the bounds alone"
K_A, K_B = Parameter("majority classes", SMALL, WIDE), Parameter("minority classes", SMALL, WIDE)
N_A, N_B = Parameter("samples of each", SIZES, LARGE), Parameter("samples of each", SIZES, LARGE)
TWO_SIZES = {"k_A": K_A, "n_A": N_A, "k_B": K_B, "n_B": N_B}
"""k_A classes of n_A samples, k_B of n_B < n_A."""
EQUAL = {"K": Parameter("classes", SMALL, WIDE), "n": Parameter("samples of each", SIZES, LARGE)}
DECAY = Parameter("weight decay", DECAYS, FINE)
LIGHT = Parameter("weight decay", DECAYS[-4:], tuple(a / 1000 for a in FINE))


def _ordered(config: Config) -> bool:
    return config["n_A"] > config["n_B"]


def _alive(config: Config) -> bool:
    """Far from collapse, for values at equal sizes: a value is one formula on one side of a threshold."""
    return 4 * config["lambda_w"] * config["lambda_h"] * config["K"] ** 2 * config["n"] < 1


def _totals(config: Config) -> Config:
    """K and N of two sizes."""
    k_A = _majority(config)
    return {"K": k_A + config["k_B"], "N": k_A * config["n_A"] + config["k_B"] * config["n_B"]}


def _majority(config: Config) -> Fraction:
    """Number of majority classes, 1 where it is no parameter."""
    return config.get("k_A", Fraction(1))


def _counts(config: Config) -> list[tuple[Fraction, int]]:
    if "n" in config:
        return [(config["n"], int(config["K"]))]
    return [(config["n_A"], int(_majority(config))), (config["n_B"], int(config["k_B"]))]


def _given(value: Fraction | None) -> Fraction:
    if value is None:
        raise TypeError("a threshold is sought along its unknown")
    return value


# --- what the kernel's outcome says ------------------------------------------------------------------------------


def _minority_contrast(outcome: Outcome, config: Config) -> int:
    """Contrast of the smaller size (the last cluster)."""
    return STATES.get(str((outcome.contrasts or [None])[-1]), 0)


def _minority_mode(outcome: Outcome, config: Config) -> int:
    """Mode of the labels at the smaller size (the last one)."""
    return STATES.get(str(outcome.found["modes"][-1][1]), 0)


def _between(outcome: Outcome, config: Config) -> int:
    """Whether the rank exceeds that of the alive contrasts."""
    least, most = outcome.rank or (0, len(config))
    states, sizes = outcome.contrasts or [None], (_majority(config), config["k_B"])
    if None in states:
        return 0
    alive = sum(k - 1 for k, state in zip(sizes, states, strict=True) if state == "alive")
    return -1 if least > alive else 1 if most == alive else 0


def _collapsed(outcome: Outcome, config: Config) -> int:
    least, most = outcome.rank or (0, 1)
    return -1 if least > 0 else 1 if most == 0 else 0


def _minority_rows(outcome: Outcome, config: Config) -> int:
    """Sign of the inner product of two minority rows of W."""
    table = outcome.found.get("classifier")
    if table is None:
        return 0
    product: Any = table.others[-1][-1]
    return 1 if product > 0 else -1 if product < 0 else 0


def _minority_merged(outcome: Outcome, config: Config) -> int:
    together = (outcome.merged or [None])[-1]
    return 0 if together is None else 1 if together else -1


def _minority_zero(outcome: Outcome, config: Config) -> int:
    return STATES.get(str(outcome.found.get("minority_zero")), 0)


# --- the problems ------------------------------------------------------------------------------------------------


def _ce(config: Config, decay: Fraction | None) -> Problem:
    return Problem.ce(_counts(config), decay or config["lambda_w"], config["lambda_h"])


def _three(config: Config, decay: Fraction | None) -> Problem:
    return Problem.ce([config[name] for name in ("n_1", "n_2", "n_3")], _given(decay), config["lambda_h"])


def _relu(config: Config, decay: Fraction | None) -> Problem:
    return Problem.ce(_counts(config), _given(decay), config["lambda_h"], model="ce-relu")


def _deep(config: Config, decay: Fraction | None) -> Problem:
    return Problem.mse(_counts(config), [config["lambda_w"]] * int(config["M"]), _given(decay))


def _mse(config: Config, decay: Fraction | None) -> Problem:
    return Problem.mse(_counts(config), config["lambda_w"], config["lambda_h"])


def _svm(config: Config, ratio: Fraction | None) -> Problem:
    counts = _counts(config) if ratio is None else _steps(config, ratio)
    return Problem.svm(counts)


def _peeled(config: Config, ratio: Fraction | None) -> Problem:
    return Problem.peeled(_steps(config, _given(ratio)), config["E_W"], config["E_H"])


def _steps(config: Config, ratio: Fraction) -> list[tuple[Fraction, int]]:
    n = config.get("n_B", Fraction(1))
    return [(ratio * n, int(config["k_A"])), (n, int(config["k_B"]))]


STEP = {"k_A": K_A, "k_B": K_B, "n_B": N_B}
BUDGETS = {
    "k_A": Parameter("majority classes", SMALL[:4], WIDE[:9]),
    "k_B": Parameter("minority classes", SMALL[:4], WIDE[:9]),
    "E_W": Parameter("budget of W", (1, 2, 3), FINE[:30]),
    "E_H": Parameter("budget of H", (1, 2), FINE[:30]),
}
BOTH_DECAYS = ("lambda_w", "lambda_h")
DISTINCT = Parameter("samples of the class", SIZES, LARGE)


def _two_sizes(
    model: str, name: str, text: str, problem: Callable[..., Problem], left_out: tuple[str, ...] = (), **more: Any
) -> Quantity:
    """A threshold in lambda_w at a given lambda_h, two sizes."""
    return Quantity(
        model,
        f"threshold:{name}",
        text,
        unknown="lambda_w",
        problem=problem,
        parameters={n: p for n, p in {**TWO_SIZES, "lambda_h": DECAY}.items() if n not in left_out},
        valid=_ordered,
        derived=_totals,
        decays=BOTH_DECAYS,
        **({"digits": (18, 72), "shifted": ("K",)} | more),
    )


def _step(model: str, name: str, text: str, problem: Callable[..., Problem], **more: Any) -> Quantity:
    """A ratio of the two sizes."""
    return Quantity(
        model,
        f"threshold:{name}",
        text,
        unknown="R",
        problem=problem,
        derived=lambda config: {"K": config["k_A"] + config["k_B"]},
        floor=Fraction(1),
        **({"digits": (18, 72)} | more),
    )


def _value(model: str, text: str, problem: Callable[..., Problem], **more: Any) -> Quantity:
    return Quantity(
        model,
        "value",
        text,
        unknown="value",
        evidence="both bounds on the optimal value, proved by the kernel",
        problem=problem,
        shifted=("K",),
        **more,
    )


QUANTITIES = (
    _two_sizes(
        "ce",
        "cluster_merge",
        "lambda_w from which the minority classes coincide, two sizes",
        _ce,
        sign=_minority_contrast,
        evidence=f"fact 'contrast' ({GAP}; the merging rule is not asked)",
    ),
    _two_sizes(
        "ce",
        "between_groups_dead",
        "lambda_w from which nothing separates the two sizes",
        _ce,
        sign=_between,
        evidence=f"facts 'rank' and 'contrast' ({GAP})",
        digits=(18, 40),
    ),
    _two_sizes(
        "ce",
        "one_against_all",
        "lambda_w from which nothing separates one large class from equal smaller ones",
        _ce,
        left_out=("k_A",),
        shifted=(),  # K - 1 is k_B
        sign=_between,
        evidence=f"facts 'rank' and 'contrast' ({GAP})",
    ),
    Quantity(
        "ce",
        "threshold:complete_collapse",
        "lambda_w from which Z = 0, three classes of different sizes",
        unknown="lambda_w",
        evidence=f"fact 'rank' ({GAP})",
        parameters={"n_1": DISTINCT, "n_2": DISTINCT, "n_3": DISTINCT, "lambda_h": DECAY},
        problem=_three,
        sign=_collapsed,
        valid=lambda config: config["n_1"] > config["n_2"] > config["n_3"],
        derived=lambda config: {"N": config["n_1"] + config["n_2"] + config["n_3"]},
        decays=BOTH_DECAYS,
        digits=(32, 64),
    ),
    _value(
        "ce",
        "optimal value at equal sizes",
        _ce,
        parameters={**EQUAL, "lambda_w": LIGHT, "lambda_h": LIGHT},
        valid=_alive,
    ),
    _two_sizes(
        "ce-relu",
        "class_zero",
        "lambda_w from which the features of the smaller classes vanish",
        _relu,
        sign=_minority_contrast,
        evidence=f"fact 'contrast' ({GAP}, stationarity and H >= 0; the rule for zero features is not asked)",
    ),
    Quantity(
        "mse",
        "threshold:class_zero",
        "lambda_h from which the smaller classes vanish, M layers with decay lambda_w each",
        unknown="lambda_h",
        evidence="fact 'modes': the kernel's scalar problem of each mode, both sides decided by signs of balls",
        parameters={
            **{name: Parameter(p.text, p.design[:4], p.fresh[:40]) for name, p in TWO_SIZES.items()},
            "lambda_w": Parameter("weight decay of every layer", DECAYS[:3], FINE[:40]),
            "M": Parameter("layers", tuple(range(2, 7)), tuple(range(1, 10))),
        },
        problem=_deep,
        sign=_minority_mode,
        valid=_ordered,
        derived=_totals,
        shifted=("K", "M"),
        index="M",
        decays=BOTH_DECAYS,
        digits=(34, 100),
    ),
    _value(
        "mse",
        "optimal value at equal sizes, one layer",
        _mse,
        parameters={**EQUAL, "lambda_w": LIGHT, "lambda_h": LIGHT},
        valid=_alive,
    ),
    _step(
        "uf-svm",
        "minority_orthogonal",
        "ratio of the sizes at which rows of minority classes turn from obtuse to acute",
        _svm,
        parameters=STEP,
        sign=_minority_rows,
        evidence=f"fact 'classifier': the sign of the inner product in every minimiser ({GAP})",
        shifted=("K",),
    ),
    _value("uf-svm", "optimal value at equal sizes", _svm, parameters=EQUAL),
    _step(
        "layer-peeled",
        "minority_merge",
        "ratio of the sizes from which the minority classes coincide",
        _peeled,
        parameters=BUDGETS,
        sign=_minority_merged,
        evidence="fact 'merged': the ball of the budget's multiplier against the minority's share",
        digits=(20, 32),
    ),
    _step(
        "layer-peeled",
        "minority_zero",
        "ratio of the sizes from which the minority features vanish",
        _peeled,
        parameters=BUDGETS | {"E_W": Parameter("budget of W", (Fraction(1, 2), Fraction(1, 3)), FINE[:30])},
        sign=_minority_zero,
        valid=lambda config: (
            config["k_A"] >= 4 and config["k_A"] > config["k_B"] and config["E_W"] * config["E_H"] <= 1
        ),
        evidence=f"fact 'minority_zero' ({GAP})",
        digits=(20, 32),
    ),
)


def of_model(model: str) -> list[Quantity]:
    """The quantities of a model.

    Raises
    ------
    InputError
        If the model has none.

    Examples
    --------
    >>> [quantity.name for quantity in of_model("ce-relu")]
    ['threshold:class_zero']
    """
    found = [quantity for quantity in QUANTITIES if quantity.model == model]
    if not found:
        known = ", ".join(dict.fromkeys(quantity.model for quantity in QUANTITIES))
        raise InputError(f"model {model[:40]!r} has no quantity to discover; models that have: {known}")
    return found


def find(model: str, name: str) -> Quantity:
    """A quantity by model and name.

    Raises
    ------
    InputError
        Naming the quantities of the model.

    Examples
    --------
    >>> find("ce", "threshold:cluster_merge").unknown
    'lambda_w'
    """
    found = of_model(model)
    for quantity in found:
        if quantity.name == name:
            return quantity
    names = ", ".join(quantity.name for quantity in found)
    raise InputError(f"--quantity {name[:60]}: model {model} has {names}")
