"""What the command line accepts as counts, weights and numbers, and how it refuses the rest."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.counts import InputError, parse_counts, parse_number, parse_profile, parse_weights


def expand(runs: list) -> list:
    return [value for value, repeat in runs for _ in range(repeat)]


def refused(call, *arguments) -> str:
    """The message of an InputError: one line, one sentence, the input named first."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert message.endswith(".")
    assert ": " in message
    return message


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("500x5,100x5", [(500, 5), (100, 5)]),
        ("500x5, 100x5", [(500, 5), (100, 5)]),
        ("3,3,1", [(3, 2), (1, 1)]),
        ("7x2,7x3", [(7, 5)]),
        ("1,2,1", [(1, 1), (2, 1), (1, 1)]),
        (f"{10**99}x2", [(10**99, 2)]),
        ("5x10000000", [(5, 10**7)]),
    ],
)
def test_inline_counts(text: str, runs: list) -> None:
    assert parse_counts(text) == runs


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "nothing is given"),
        ("   ", "nothing is given"),
        ("5", "two classes"),
        ("5x1", "two classes"),
        ("0,5", "at least 1"),
        ("5x0,5", "at least 1"),
        ("-5,5", "positive integer"),
        ("5x-2", "positive integer"),
        ("2.5,5", "positive integer"),
        ("1e3,5", "positive integer"),
        ("5,,5", "positive integer"),
        ("5,5,", "positive integer"),
        ("5y3", "positive integer"),
        ("x5", "positive integer"),
        ("5x", "positive integer"),
        ("5x5x5", "positive integer"),
        ("nan,1", "positive integer"),
        ("inf,1", "positive integer"),
        ("٣,٣", "positive integer"),
        ("5x10000001", "at most 10000000 classes"),
        ("5x" + "9" * 99, "at most 10000000 classes"),
        ("9" * 101 + ",1", "at most 100 digits"),
        ("9" * 100_000, "at most 100 digits"),
        ("a" * 100_000, "positive integer"),
    ],
)
def test_bad_inline_counts(text: str, rule: str) -> None:
    message = refused(parse_counts, text)
    assert rule in message
    assert message.startswith("counts")


def test_ten_million_classes_are_instant() -> None:
    start = time.process_time()
    assert parse_counts("500x5000000,5x5000000") == [(500, 5_000_000), (5, 5_000_000)]
    assert parse_profile("step:500:5:10000000") == [(500, 5_000_000), (5, 5_000_000)]
    assert parse_weights("1x5000000,2x5000000", 10**7) == [(1, 5_000_000), (2, 5_000_000)]
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "[500, 500, 100]", [500, 500, 100]),
        ("a.JSON", " [1,2]\n", [1, 2]),
        ("a.csv", "500\n500\n100\n", [500, 500, 100]),
        ("a.csv", "500\r\n\r\n100", [500, 100]),
        ("a.csv", 'class,count\ncat,500\n"a,b",100\n', [500, 100]),
        ("a.csv", "\ufeffClass, Count\n0,500\n1,100\n", [500, 100]),
    ],
)
def test_files(tmp_path: Path, name: str, content: str, expected: list) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert expand(parse_counts(f"@{tmp_path / name}")) == expected


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.json", b"", "not JSON"),
        ("a.json", b"[1, 2", "not JSON"),
        ("a.json", b"[" * 200_000, "not JSON"),
        ("a.json", b"[" + b"9" * 5000 + b", 1]", "not JSON"),
        ("a.json", b"[" + b"9" * 200 + b", 1]", "at most 100 digits"),
        ("a.json", b'{"counts": [1, 2]}', "array of integers, not an object"),
        ("a.json", b"null", "not null"),
        ("a.json", b"7", "array of integers"),
        ("a.json", b"[]", "two classes"),
        ("a.json", b"[5]", "two classes"),
        ("a.json", b"[5, 0]", "must be positive"),
        ("a.json", b"[5, -1]", "must be positive"),
        ("a.json", b"[5, 2.0]", "entry 1 must be an integer, not a decimal number"),
        ("a.json", b"[5, NaN]", "entry 1 must be an integer, not a decimal number"),
        ("a.json", b"[5, 1e400]", "entry 1 must be an integer, not a decimal number"),
        ("a.json", b"[5, true]", "entry 1 must be an integer, not a Boolean"),
        ("a.json", b'[5, "5"]', "entry 1 must be an integer, not a string"),
        ("a.json", b"[[5, 2]]", "entry 0 must be an integer, not an array"),
        ("a.json", b"\xff\xfe\x00\x01", "UTF-8"),
        ("a.csv", b"", "two classes"),
        ("a.csv", b"5\n", "two classes"),
        ("a.csv", b"\xe9\n5\n", "UTF-8"),
        ("a.csv", b"\x00\x01\x02\n", "counts file"),
        ("a.csv", b"5\n2.5\n", "the count in line 2"),
        ("a.csv", b"5\n0\n", "the count in line 2"),
        ("a.csv", b"cat,5\ndog,2\n", "header class,count"),
        ("a.csv", b"class,count\ncat,5,1\n", "line 2 must hold class,count"),
        ("a.csv", b"class,count\ncat,5\ncat,2\n", "repeats the class"),
        ("a.csv", b"class,number\ncat,5\n", "header class,count"),
        ("a.csv", b"count,class\n5,cat\n", "header class,count"),
        ("a.csv", b'5\n"5\n', "CSV"),
        ("a.csv", b"5" * 200_000, "counts file"),
        ("a.txt", b"5\n5\n", ".json or .csv"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert rule in refused(parse_counts, f"@{tmp_path / name}")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be read" in refused(parse_counts, f"@{tmp_path / 'missing.json'}")
    assert "cannot be read" in refused(parse_counts, "@a\0b.json")
    assert ".json or .csv" in refused(parse_counts, "@")
    (tmp_path / "folder.json").mkdir()
    assert "not a file" in refused(parse_counts, f"@{tmp_path / 'folder.json'}")
    os.mkfifo(tmp_path / "pipe.json")
    assert "not a file" in refused(parse_counts, f"@{tmp_path / 'pipe.json'}")
    secret = tmp_path / "secret.json"
    secret.write_text("[1, 2]")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert "Permission denied" in refused(parse_counts, f"@{secret}")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(2**40)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file was read"))
    assert "more than" in refused(parse_counts, f"@{huge}")


def test_too_many_classes_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.counts.MAX_CLASSES", 100)
    (tmp_path / "a.json").write_text(json.dumps([1] * 101))
    (tmp_path / "a.csv").write_text("1\n" * 101)
    for name in ("a.json", "a.csv"):
        assert "at most 100 classes" in refused(parse_counts, f"@{tmp_path / name}")


def exact_profile(largest: int, smallest: int, K: int) -> list[int]:
    """Floors by integer comparison: f^(K-1) <= largest^(K-1-k) smallest^k, from a 60-digit guess."""
    context = Context(prec=60)
    ratio = context.ln(Decimal(smallest)) - context.ln(Decimal(largest))
    floors = []
    for k in range(K):
        guess = context.exp(context.ln(Decimal(largest)) + ratio * k / (K - 1))
        f = int(guess.to_integral_value(rounding=ROUND_FLOOR))
        target = largest ** (K - 1 - k) * smallest**k
        while f ** (K - 1) > target:
            f -= 1
        while (f + 1) ** (K - 1) <= target:
            f += 1
        floors.append(f)
    return floors


@pytest.mark.parametrize(
    ("largest", "smallest", "K"),
    [(5000, 50, 100), (500, 5, 100), (1000, 1, 4), (1024, 1, 11), (7, 7, 5), (10**15, 1, 16), (2, 1, 2), (5000, 5, 2)],
)
def test_exponential_profile_is_the_floor_of_the_exact_real(largest: int, smallest: int, K: int) -> None:
    assert expand(parse_profile(f"exp:{largest}:{smallest}:{K}")) == exact_profile(largest, smallest, K)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(smallest=st.integers(1, 10**6), factor=st.integers(1, 10**6), K=st.integers(2, 40))
def test_exponential_profile_on_random_inputs(smallest: int, factor: int, K: int) -> None:
    largest = smallest * factor
    assert expand(parse_profile(f"exp:{largest}:{smallest}:{K}")) == exact_profile(largest, smallest, K)


def test_exact_powers_are_not_lost_to_rounding() -> None:
    assert expand(parse_profile("exp:1000000:1:7")) == [10**6, 10**5, 10**4, 10**3, 10**2, 10, 1]
    assert expand(parse_profile(f"exp:{3**60}:1:61")) == [3**k for k in range(60, -1, -1)]


def test_a_profile_of_a_thousand_classes_is_fast() -> None:
    start = time.process_time()
    counts = expand(parse_profile("exp:5000:50:1000"))
    assert time.process_time() - start < 0.5
    assert (len(counts), counts[0], counts[-1]) == (1000, 5000, 50)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is not exp:NMAX"),
        ("exp:5:5", "is not exp:NMAX"),
        ("linear:5:1:3", "is not exp:NMAX"),
        ("exp:5:1:3:1", "is not exp:NMAX"),
        ("exp:5:1:1", "between 2 and"),
        ("exp:5:1:10000001", "between 2 and"),
        ("step:5:1:0", "at least 1"),
        ("exp:1:5:3", "smaller than"),
        ("exp:5:0:3", "at least 1"),
        ("exp:5:-1:3", "positive integer"),
        ("exp:5.5:1:3", "positive integer"),
        ("step:a:1:3", "positive integer"),
    ],
)
def test_bad_profiles(text: str, rule: str) -> None:
    assert rule in refused(parse_profile, text)


def test_step_profile_rounds_the_majority_up() -> None:
    assert parse_profile("step:5000:50:101") == [(5000, 51), (50, 50)]
    assert parse_profile("step:5:5:4") == [(5, 4)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/300", Fraction(1, 300)),
        ("5e-4", Fraction(1, 2000)),
        ("0.0085", Fraction(17, 2000)),
        (".5", Fraction(1, 2)),
        ("2.", Fraction(2)),
        ("+3", Fraction(3)),
        (" 1E2 ", Fraction(100)),
        ("1e-300", Fraction(1, 10**300)),
    ],
)
def test_numbers(text: str, value: Fraction) -> None:
    assert parse_number(text, "lam") == value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is not a number"),
        ("abc", "is not a number"),
        ("nan", "is not a number"),
        ("inf", "is not a number"),
        ("0x10", "is not a number"),
        ("1_000", "is not a number"),
        ("1,5", "is not a number"),
        ("1/2/3", "is not a number"),
        ("1.5/2", "is not a number"),
        ("٣", "is not a number"),
        ("1/0", "divides by zero"),
        ("0", "is not positive"),
        ("0.000", "is not positive"),
        ("-1/300", "is not positive"),
        ("-5e-4", "is not positive"),
        ("1e999999999", "exponent"),
        ("1e-999999999", "exponent"),
        ("1e" + "9" * 900, "exponent"),
        ("1" * 100_000, "longer than"),
    ],
)
def test_bad_numbers(text: str, rule: str) -> None:
    start = time.process_time()
    message = refused(parse_number, text, "lam")
    assert rule in message
    assert message.startswith("lam: ")
    assert time.process_time() - start < 0.1


def test_weights() -> None:
    assert parse_weights("1x5,5/2x5", 10) == [(1, 5), (Fraction(5, 2), 5)]
    assert parse_weights("0.5,0.5,1e1", 3) == [(Fraction(1, 2), 2), (10, 1)]
    assert "9 weights are given for 10 classes" in refused(parse_weights, "1x5,2x4", 10)
    assert "is not positive" in refused(parse_weights, "1,0", 2)
    assert "is not a number" in refused(parse_weights, "1,balanced", 2)
    assert "positive integer" in refused(parse_weights, "1x2.5", 2)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_arbitrary_text_is_parsed_or_refused(text: str) -> None:
    for call in (parse_counts, parse_profile, lambda t: parse_weights(t, 2), lambda t: parse_number(t, "lam")):
        with suppress(InputError):
            assert call(text)
