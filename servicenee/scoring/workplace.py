"""The work folder beside an output: one job at a time, finished parts kept for the next try, whole files only."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib

from servicenee import __version__
from servicenee.scoring.portions import Task

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind
    fcntl = None

_LOCK = "lock"
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy")


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """The work folder of an output, locked; what is left in it stays for the next job.

    The operating system drops the lock of a job that dies, however it dies, so that a stale one never stands in the
    way. (On Windows there is no lock: do not start two jobs for one file there.)
    """
    folder = output.with_name(f".{output.name}.work")
    with _locked(folder, output):
        try:
            yield folder
        finally:
            if all(path.name == _LOCK for path in folder.iterdir()):
                shutil.rmtree(folder)


def empty(folder: Path, keep: Path | None = None) -> None:
    """Remove what is in the work folder besides the lock and `keep`."""
    for path in folder.iterdir():
        if path.name != _LOCK and path != keep:
            shutil.rmtree(path)


def key_of(task: Task) -> str:
    """Fingerprint of everything but the input that decides what a part's scores are."""
    versions = [__version__, *(importlib.metadata.version(name) for name in _LIBRARIES)]
    parts = [joblib.hash(vars(model)) for model in task.models]
    text = json.dumps([versions, parts, task.index_dates, task.reasons])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def state_of(folder: Path) -> str:
    """Fingerprint of the files of a folder by name, size and time of the last change."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    facts = [(file.relative_to(folder).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def write_whole(file: Path, write: Callable[[str], None]) -> None:
    """Let `write` fill a file under another name, then give it its own; readable by its owner only."""
    handle, partial = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    os.close(handle)
    try:
        write(partial)
        os.replace(partial, file)
    finally:
        Path(partial).unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, output: Path) -> Iterator[None]:
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / _LOCK).open("a+", encoding="utf-8") as stream:
            _lock(stream, output)
            if not _is_still(stream, folder / _LOCK):
                continue  # the job before has ended and removed its folder in the meantime
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}")
            stream.flush()
            yield
            return


def _lock(stream, output: Path) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        raise ValueError(
            f"`output` {output} is being written by another job ({stream.read() or 'just started'}). Wait until it has "
            "ended, or write to another file."
        ) from None


def _is_still(stream, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), file.stat())
    except FileNotFoundError:
        return False
