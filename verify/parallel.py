"""The same work for many items, on one process or several; interrupting keeps what is finished."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TypeVar

__all__ = ["each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Iterable[Item], jobs: int, keep: Callable[[Result], None]) -> None:
    """Call ``keep(work(item))`` for every item, in the order in which the results come.

    Parameters
    ----------
    work : must be importable by name, like its items and results, for more than one process.
    jobs : processes; 1 works in this one.

    Raises
    ------
    KeyboardInterrupt
        After all workers are stopped.

    Examples
    --------
    >>> found = []
    >>> each(abs, [-1, 2], 1, found.append)
    >>> found
    [1, 2]
    """
    if jobs == 1:
        for item in items:
            keep(work(item))
        return
    with ProcessPoolExecutor(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        pending: set[Future[Result]] = {pool.submit(work, item) for item in items}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    keep(future.result())
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
