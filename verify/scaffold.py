"""Scaffold a conjecture: one commented file that is found in ``./conjectures`` and runs at once."""

from __future__ import annotations

import re
from pathlib import Path

from verify.counts import InputError

__all__ = ["scaffold"]

FOLDER = Path("conjectures")
TEMPLATE = Path(__file__).with_name("templates") / "conjecture.py.txt"


def scaffold(identifier: str, folder: Path = FOLDER) -> Path:
    """Write the file of a new conjecture and return its path.

    Parameters
    ----------
    identifier : ID of the claim: letters, digits, hyphens and underscores, starting with a letter, at most 40.
    folder : where it goes; created if missing.

    Raises
    ------
    InputError
        If the ID has another form, is taken, or the file cannot be written.

    Examples
    --------
    >>> scaffold("1st idea")
    Traceback (most recent call last):
        ...
    verify.counts.InputError: '1st idea' is not an ID: letters, digits, - and _, starting with a letter, at most 40
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", identifier):
        rule = "letters, digits, - and _, starting with a letter, at most 40"
        raise InputError(f"{identifier[:40]!r} is not an ID: {rule}")
    from verify import registry

    if identifier in registry.load():
        raise InputError(f"claim {identifier} exists already; choose another ID")
    path = folder / f"{re.sub('[^a-z0-9]+', '_', identifier.lower()).strip('_')}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8").replace("IDENTIFIER", identifier))
    except FileExistsError:
        raise InputError(f"{path} exists already; it is left as it is") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be written ({error.strerror})") from None
    return path
