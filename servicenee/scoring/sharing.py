"""Parts come in; what this process and others make of them goes out, as soon as it is ready."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from functools import partial

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from threadpoolctl import threadpool_limits


class Team:
    """This process and others that share parts with it; they import what scoring takes while it does something else.

    Parameters
    ----------
    n_jobs : int or None
        Processes in all, as in joblib: -1 for one per processor, None for this one alone.
    n_parts : int
        Never more processes than there are parts.
    """

    def __init__(self, n_jobs: int | None, n_parts: int):
        self._n_others = min(joblib.effective_n_jobs(n_jobs), max(n_parts, 1)) - 1
        self._others = ProcessPoolExecutor(self._n_others) if self._n_others else None

    def __enter__(self) -> "Team":
        for _ in range(self._n_others):
            self._others.submit(_imported)
        return self

    def __exit__(self, *_) -> None:
        if self._others is not None:
            self._others.shutdown(kill_workers=True)

    def share(self, work: Callable, parts: Iterable) -> Iterator:
        """`work(part)` of every part, in the order in which they are ready; ValueError when a process was ended.

        The others get several parts at first, so that what `work` holds travels seldom, and one at last, so that nobody
        waits for long.
        """
        if self._others is None:
            yield from map(work, parts)
            return
        parts, running, lots_of = deque(parts), set(), partial(_each, work)
        with threadpool_limits(1):  # there is a process for each processor already
            while parts or running:
                # One lot waits for whoever is ready first, but not of the last parts: these are left to this process.
                while parts and len(running) < self._n_others + (len(parts) > self._n_others + 1):
                    n = max(1, len(parts) // (3 * (self._n_others + 1)))
                    running.add(self._others.submit(lots_of, [parts.popleft() for _ in range(n)]))
                if parts:
                    yield work(parts.popleft())
                ready = wait(running, timeout=0 if parts else None, return_when=FIRST_COMPLETED).done
                running -= ready
                for lot in ready:
                    yield from _result(lot)


def _imported() -> None:
    """Nothing: whoever is to call this has imported what scoring takes."""


def _each(work: Callable, parts: list) -> list:
    with threadpool_limits(1):
        return [work(part) for part in parts]


def _result(lot) -> list:
    try:
        return lot.result()
    except BrokenExecutor:
        raise ValueError(
            "a process was ended from outside, as the system does when memory runs out. Run it again with fewer "
            "processes (`n_jobs`), or with smaller parts; what is kept beside `output` is not computed twice."
        ) from None
