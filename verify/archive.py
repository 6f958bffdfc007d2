"""Many files in one zip: written with the same bytes every time, read without trusting a byte of it.

Nothing is ever extracted: an entry is read into memory, up to a cap, and its name is only printed.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from verify.counts import InputError

__all__ = ["MOST_FILES", "Unreadable", "entries", "is_zip", "pack", "read"]

MOST_FILES = 50_000
"""Most entries of an archive, or files of a folder."""
MOST_DIRECTORY = 16_000_000
"""Most bytes of the table of contents: it is read as a whole."""
MOST_TOTAL = 4_000_000_000
"""Most bytes that all entries together may unpack to."""
STAMP = (1980, 1, 1, 0, 0, 0)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others may ask for gigabytes before the first byte is there."""


class Unreadable(str):
    """Why an entry or a file cannot be read."""


class _Bounded(io.FileIO):
    """A file of which no more than ``MOST_DIRECTORY`` bytes are read at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``size`` bytes; zipfile asks for the whole table of contents in one call."""
        if size is not None and size > MOST_DIRECTORY:
            raise InputError(f"{self.name}: the table of contents of this archive has more than {MOST_DIRECTORY} bytes")
        return super().read(MOST_DIRECTORY if size is None or size < 0 else size) or b""


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip archive.

    Examples
    --------
    >>> is_zip(Path(__file__))
    False
    """
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def entries(path: Path, most: int) -> Iterator[tuple[str, bytes | Unreadable]]:
    """Names and bytes of the entries of an archive in the order of their names, folders left out.

    Parameters
    ----------
    path : the archive.
    most : most bytes of one entry; in place of a longer or damaged one comes :class:`Unreadable`.

    Raises
    ------
    InputError
        If this is no zip archive, or it has too many entries, or they declare too many bytes.
    """
    try:
        with _Bounded(path, "rb") as file, zipfile.ZipFile(file) as archive:
            found = [info for info in archive.infolist() if not info.is_dir()]
            if len(found) > MOST_FILES:
                raise InputError(f"{path}: the archive has {len(found)} entries, at most {MOST_FILES} are read")
            if sum(info.file_size for info in found) > MOST_TOTAL:
                raise InputError(f"{path}: the archive declares more than {MOST_TOTAL} bytes, which are not unpacked")
            for info in sorted(found, key=lambda info: info.filename):
                yield info.filename, _entry(archive, info, most)
    except InputError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise InputError(f"{path}: this is not a zip archive that can be read ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror})") from None


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes | Unreadable:
    if info.file_size > most:
        return Unreadable(f"it declares {info.file_size} bytes, at most {most} are read")
    if info.compress_type not in METHODS:
        return Unreadable("it is packed by another method than deflation")
    try:
        with archive.open(info) as file:
            return file.read(most)  # zipfile stops at the declared size, and then the checksum is wrong
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        return Unreadable(f"it cannot be unpacked ({type(error).__name__}: {error})")


def read(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Some entries of an archive that this project wrote."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in names}


def pack(path: Path, files: Iterable[Path]) -> int:
    """Write files into an archive, by name and without their folders or dates; the same files give the same bytes.

    Parameters
    ----------
    path : the archive, replaced when it is complete.
    files : read one by one; of two with one name the first is taken.

    Returns
    -------
    int
        Number of entries.
    """
    partial = path.with_name(path.name + ".partial")
    chosen = {file.name: file for file in reversed(list(files))}
    if len(chosen) > MOST_FILES:
        raise InputError(f"{path}: {len(chosen)} files, at most {MOST_FILES} go into one archive")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(chosen):
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(info, chosen[name].read_bytes())
    os.replace(partial, path)
    return len(chosen)
