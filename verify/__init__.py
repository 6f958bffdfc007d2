"""How it is checked: routes, judge, certificates, reports, command line."""

from __future__ import annotations

from typing import Any

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    """Load :func:`verify.engine.check` on first use, so that importing the package stays quick."""
    if name == "check":
        from verify.engine import check

        return check
    raise AttributeError(f"module 'verify' has no attribute {name!r}")
