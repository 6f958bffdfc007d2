"""Scaffold a conjecture: one commented file that is found in ``./conjectures`` and runs at once."""

from __future__ import annotations

import re
from pathlib import Path

from verify.counts import InputError

__all__ = ["claim_path", "scaffold"]

FOLDER = Path("conjectures")
TEMPLATE = Path(__file__).with_name("templates") / "conjecture.py.txt"


def claim_path(identifier: str, folder: Path = FOLDER) -> Path:
    """File of a new claim.

    Raises
    ------
    InputError
        If the ID has another form than letters, digits, hyphens and underscores, or is taken.

    Examples
    --------
    >>> claim_path("MINE-01").name
    'mine_01.py'
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", identifier):
        rule = "letters, digits, - and _, starting with a letter, at most 40"
        raise InputError(f"{identifier[:40]!r} is not an ID: {rule}")
    from verify import registry

    if identifier in registry.load():
        raise InputError(f"claim {identifier} exists already; choose another ID")
    return folder / f"{re.sub('[^a-z0-9]+', '_', identifier.lower()).strip('_')}.py"


def scaffold(identifier: str, folder: Path = FOLDER, source: str | None = None) -> Path:
    """Write the file of a new conjecture and return its path.

    Parameters
    ----------
    identifier : ID of the claim: letters, digits, hyphens and underscores, starting with a letter, at most 40.
    folder : where it goes; created if missing.
    source : what to write instead of the template, with IDENTIFIER for the ID.

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
    path = claim_path(identifier, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            text = TEMPLATE.read_text(encoding="utf-8") if source is None else source
            file.write(text.replace("IDENTIFIER", identifier))
    except FileExistsError:
        raise InputError(f"{path} exists already; it is left as it is") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be written ({error.strerror})") from None
    return path
