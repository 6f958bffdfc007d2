"""Small files that ask for much work end within seconds."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from theory.problem import Problem
from verify.kernel import verify_certificate
from verify.propose import propose

CE = {"lambda_w": "1", "lambda_h": "1", "bias": "none", "class_weights": None, "dim": 999}


def array(rows: list[list[int]], p: int = 0) -> dict[str, Any]:
    return {"p": p, "rows": rows}


def mse(layers: int, width: int, G: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options and witness of ``layers`` full factors."""
    factors = [[[1] * width] * G, *[[[1] * width] * width] * (layers - 2), [[1] * G] * width]
    options = {"lambda_w": ["1"] * (layers - 1), "lambda_h": "1", "bias": "none", "widths": [width] * (layers - 1)}
    zeros = array([[0] * G])
    witness = {"squares": array([[], []]), "roots": array([[0] * G] * 2), "kept": zeros, "bias": zeros}
    witness |= {"contrasts": array([[0] * G] * layers), "layers": [array(rows) for rows in factors], "target": None}
    return options, witness


def flat(G: int, r: int, p: int) -> dict[str, Any]:
    return {"gaps": array([[0] * G]), "W": array([[1] * r] * G, p), "H": array([[1] * r] * G, p)}


def fractions(count: int, digits: int) -> list[list[Any]]:
    """Sizes whose sum has ``count`` times as many digits."""
    rng = random.Random(1)
    values = (Fraction(rng.randrange(10**digits), rng.randrange(10**digits)) for _ in range(count))
    return [[str(value), 1] for value in values]


def hostile() -> dict[str, tuple[str, list[list[Any]], dict[str, Any], dict[str, Any]]]:
    """Model, counts, options, witness."""
    many, sizes = fractions(90, 1900), [[str(i + 1), 1] for i in range(60)]
    square, zeros = array([[0] * 90] * 90), array([[0] * 90])
    ce = {"full": False, "flows": square, "gaps": zeros, "bias": zeros, "W": array([[1]] * 90), "H": array([[1]] * 90)}
    few, deep = fractions(8, 900), mse(64, 1, 8)
    deep[0]["lambda_w"] = [value for value, _ in fractions(63, 1900)]
    peeled = {"e_w": "1000000000", "e_h": "1000000000", "class_weights": None, "dim": 2000}
    point = {"full": False, "norm": array([[1]]), "dual": None, "point": flat(150, 1000, 6)}
    wide_file = {"full": False, "flows": array([[0] * 60] * 60)} | flat(60, 400, 99_999)
    return {
        "a sum of fractions (ce)": ("ce", many, CE, ce),
        "a sum of fractions (mse)": ("mse", many, *mse(3, 1, 90)),
        "powers of fractions": ("mse", few, *deep),
        "wide layers": ("mse", [[str(i + 1), 1] for i in range(16)], *mse(16, 600, 16)),
        "many digits in a point": (
            "uf-svm",
            sizes,
            {"dim": 999},
            wide_file,
        ),
        "a wide point": ("layer-peeled", [[str(i + 1), 1] for i in range(150)], peeled, point),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_work_is_bounded(name: str) -> None:
    model, counts, options, witness = hostile()[name]
    data: dict[str, Any] = {"model": model, "counts": counts, "options": options}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    data |= {"schema": "verify.certificate/1", "problem": hashlib.sha256(text.encode()).hexdigest()}
    text, start = json.dumps(data | {"witness": witness, "bounds": None, "facts": None}), time.process_time()
    verify_certificate(text)
    assert time.process_time() - start < 5


def command(*names: str, pipe: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of ``python -m verify.kernel``."""
    line = f"{sys.executable} -m verify.kernel {' '.join(names)}"
    script = f"{line} {pipe}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_of_the_kernel(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(propose(Problem.ce([(9, 2), (4, 3)], "0.03"))))
    bad.write_text(good.read_text().replace("ce", "ec"))
    assert command(str(good))[0] == 0
    assert command(str(good), pipe="| head -1") == (0, "{\n", "")
    assert command(str(bad))[0] == 1
    for names in ((), (str(tmp_path / "none.json"),), (str(tmp_path),), (str(good), str(good))):
        code, output, errors = command(*names)
        assert (code, output, errors.count("\n")) == (2, "", 1)
        assert errors.startswith("verify.kernel: ")
