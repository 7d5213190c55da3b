"""A PostgreSQL server of the tests' own, on loopback, gone when they are done."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

_SERVER_USER = "postgres"  # the server refuses to run as root


def _binaries() -> Path | None:
    listed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    found = listed[-1] if listed else shutil.which("postgres")
    return Path(found).parent if found else None


def _as_server_user(*command) -> list[str]:
    return ["runuser", "-u", _SERVER_USER, "--", *map(str, command)] if os.geteuid() == 0 else [*map(str, command)]


@pytest.fixture(scope="session")
def postgres():
    """Engine of an empty PostgreSQL database; skips where there is no server or no driver."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg2", reason="no driver for PostgreSQL (psycopg2) is installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (/usr/lib/postgresql/*/bin, PATH)")
    folder = Path(tempfile.mkdtemp(prefix="servicenee-postgres-"))
    data, log = folder / "data", folder / "log"
    if os.geteuid() == 0:
        shutil.chown(folder, _SERVER_USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c shared_buffers=32MB -c max_connections=10"
    control = binaries / "pg_ctl"
    try:
        made = [binaries / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(_as_server_user(*made), check=True, capture_output=True, cwd=folder)
        start = [control, "-D", data, "-l", log, "-w", "-o", settings, "start"]
        subprocess.run(_as_server_user(*start), check=True, stdout=subprocess.DEVNULL, cwd=folder)
        engine = sqlalchemy.create_engine(f"postgresql+psycopg2://tests@127.0.0.1:{port}/postgres")
        yield engine
        engine.dispose()
    finally:
        stop = [control, "-D", data, "-m", "immediate", "stop"]
        subprocess.run(_as_server_user(*stop), check=False, capture_output=True, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)
