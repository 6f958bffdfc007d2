"""A limit on the time of a block, which holds inside loops of other people's code."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["OutOfTime", "time_limit"]

LEAST = 1e-3
"""Seconds: an alarm set to 0 would never ring."""


class OutOfTime(BaseException):
    """A block has used its time. No Exception: routes take those for a solver that failed."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` inside the block after so many seconds; in the main thread of a POSIX process only.

    Blocks may be nested: the outer limit goes on where the inner block ends. Code in C is interrupted when it returns.

    Parameters
    ----------
    seconds : by the clock; zero and below ring at once.

    Examples
    --------
    >>> with time_limit(0.01):
    ...     time.sleep(1)
    Traceback (most recent call last):
        ...
    verify.limits.OutOfTime: more than 0.01 s
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTime(f"more than {seconds:g} s")

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    outer, _ = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, max(LEAST, min(seconds, outer or seconds)))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(LEAST, outer - (time.monotonic() - began)))
