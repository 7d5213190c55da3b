"""The work folder beside an output: one job at a time, finished parts kept for the next try, whole files only."""

import hashlib
import importlib.metadata
import io
import json
import os
import pickle
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import joblib
import pyarrow as pa
import pyarrow.parquet as pq

from servicenee import __version__
from servicenee.model import NeedModel
from servicenee.registers.parts import MANIFEST
from servicenee.scoring.portions import Task

try:
    import fcntl
except ImportError:  # Windows has locks of another kind
    import msvcrt

    fcntl = None

_LOCK = "lock"
_LOCKED_BYTE = 1 << 30  # beyond the end: what is locked on Windows, others cannot read either
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "pyarrow", "lightgbm")
_PACKAGES = ("servicenee", "numpy", "pandas", "sklearn", "scipy", "pyarrow", "lightgbm")


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """The work folder of an output, locked; what is left in it stays for the next job.

    The operating system drops the lock of a job that dies, however it dies, so that a stale one never stands in the
    way.
    """
    folder = output.with_name(f".{output.name}.work")
    stream = _locked(folder, output)
    try:
        yield folder
    finally:
        if fcntl is None:
            stream.close()  # Windows removes no file that is open; elsewhere the lock is held until the folder is gone
        if all(path.name == _LOCK for path in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=fcntl is None)  # where the next job may have opened it by now
        stream.close()


def empty(folder: Path, keep: Path | None = None) -> None:
    """Remove what is in the work folder besides the lock and `keep`."""
    for path in folder.iterdir():
        if path.name != _LOCK and path != keep:
            shutil.rmtree(path)


def key_of(task: Task) -> str | None:
    """Fingerprint of everything but the input that decides what a part's scores are; None if there is none.

    Of code outside the packages whose versions are in it, a change in the body of a function would not be seen.
    """
    if any(_holds_other_code(model) for model in task.models):
        return None
    versions = [__version__, *(_version(name) for name in _LIBRARIES)]
    parts = [joblib.hash(vars(model)) for model in task.models]
    text = json.dumps([versions, parts, task.index_dates, task.reasons])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def state_of(folder: Path) -> str:
    """Fingerprint of a folder by its ``registers.json`` and the name, size and times of the last change of its files.

    A prepared part says there what it holds. Elsewhere the time at which the system last touched a file (on Windows: at
    which the file was made) tells a file that was put in the place of another of the same size and age.
    """
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        state = file.stat()
        facts = (file.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        digest.update(json.dumps(facts).encode())
        if file.name == MANIFEST:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def write_together(tables: dict[Path, pa.Table]) -> None:
    """Write files under other names, then give them theirs, the last one last; readable by their owner only.

    The old last one goes before any new one comes, so that it never stands beside others than its own.
    """
    partials: dict[Path, Path] = {}
    try:
        for file, table in tables.items():
            handle, partial = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
            os.close(handle)
            partials[file] = Path(partial)
            pq.write_table(table, partial, coerce_timestamps="us")
        list(tables)[-1].unlink(missing_ok=True)
        for file, partial in partials.items():
            os.replace(partial, file)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


class _Packages(pickle.Pickler):
    """Looks at all that an object holds; `found` names the packages of its classes and functions."""

    def __init__(self):
        super().__init__(io.BytesIO())
        self.found: set[str] = set()

    def reducer_override(self, held):
        """Note the package; pickle as usual."""
        named = held if hasattr(held, "__qualname__") else type(held)  # a class or function has one, an object has not
        self.found.add(str(named.__module__).partition(".")[0])
        return NotImplemented


def _holds_other_code(model: NeedModel) -> bool:
    callers = _Packages()
    try:
        callers.dump(vars(model))
    except (pickle.PicklingError, AttributeError, TypeError):  # such as a lambda
        return True
    return not callers.found <= {*_PACKAGES, *sys.stdlib_module_names}


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _locked(folder: Path, output: Path) -> TextIO:
    """The lock file, open and locked."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("a+", encoding="utf-8")
        try:
            _lock(stream, output)
            if _is_still(stream, folder / _LOCK):
                stream.truncate(0)
                stream.write(f"process {os.getpid()} on {socket.gethostname()}")
                stream.flush()
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # the job before has ended and removed its folder in the meantime


def _lock(stream, output: Path) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(stream.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
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
