"""A Docker daemon over its HTTP API: a unix socket, plain tcp, or ssh.

The API is spoken directly. The docker package would cost 0.2 s of start-up per provider, has no way to pass ssh options,
and takes container settings only through functions of its own that know fewer of them than the daemon does.
"""

import http.client
import json
import os
import queue
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

NEWEST_API = (1, 47)
"""The newest version of the API that this was written against; older daemons are spoken to in their own."""

ANSWER_S = 120.0
"""Longest silence of the daemon in a call that has no time of its own."""

CONNECT_S = 15.0
"""Longest wait for a connection; ssh gets the same as ConnectTimeout."""

SSH_AT_ONCE = 4
"""ssh connections at a time: sshd starts to refuse them at ten that are not logged in yet."""


class DaemonError(Exception):
    """The daemon refused a call; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(Exception):
    """There is no daemon at the address, or no way to it."""


class _Socket(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=CONNECT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Tunnel(http.client.HTTPConnection):
    """HTTP through `docker system dial-stdio` on the other end of an ssh connection: the user's own ssh, with its keys and known hosts."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__("docker", timeout=CONNECT_S)
        self._command = command
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read after ssh has gone, closed with the connection
        self._ssh: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(self.timeout)
        with theirs:
            # Out of the reach of the terminal: Ctrl-C goes to the engine, which decides, and must not cut the connection first.
            end = theirs.fileno()
            self._ssh = subprocess.Popen(
                self._command, stdin=end, stdout=end, stderr=self._said, start_new_session=True
            )

    def close(self) -> None:
        super().close()
        if self._ssh is not None:
            self._ssh.terminate()
            self._ssh.wait()
            self._ssh = None

    def said(self) -> str:
        """What ssh wrote to stderr: the reason when nothing came through."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()


class Daemon:
    """One daemon, for any number of threads.

    Raises UnreachableError when it can't be reached and DaemonError when it refuses a call.
    """

    def __init__(self, host: str, ssh_opts: Sequence[str] = ()) -> None:
        self.host = host
        self._address = urlsplit(host)
        if self._address.scheme not in {"unix", "tcp", "http", "ssh"}:
            raise UnreachableError(f"host: {host} is no unix://, tcp:// or ssh:// address. Fix the provider's host.")
        self._ssh_opts = tuple(ssh_opts)
        self._slots: queue.Queue[http.client.HTTPConnection | None] = queue.LifoQueue()
        for _ in range(SSH_AT_ONCE if self._address.scheme == "ssh" else 32):
            self._slots.put(None)
        self._version = ""

    def ping(self) -> None:
        """Raises when the daemon can't be spoken to, and settles the version of the API."""
        with self._answer("GET", "/_ping", None, {}, CONNECT_S) as answer:
            answer.read()
            theirs = tuple(int(part) for part in answer.headers.get("Api-Version", "1.41").split("."))
        self._version = "/v" + ".".join(map(str, min(theirs, NEWEST_API)))

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        silence_s: float = ANSWER_S,
    ) -> Any:
        """One call; the answer's JSON, its bytes when it is something else, or None when it is empty.

        body: bytes are sent as they are (a tar archive), anything else as JSON. silence_s: how long the daemon may take to answer.
        """
        with self._open(method, path, query, body, silence_s) as answer:
            raw = answer.read()
            if not raw:
                return None
            return json.loads(raw) if "json" in answer.headers.get("Content-Type", "") else raw

    def lines(self, method: str, path: str, query: Mapping[str, Any], *, silence_s: float) -> Iterator[dict[str, Any]]:
        """A call whose answer is a stream of JSON objects, one per line."""
        with self._open(method, path, query, None, silence_s) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    @contextmanager
    def _open(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Any, silence_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        if not self._version:
            self.ping()
        target = self._version + path + ("?" + urlencode(query) if query else "")
        headers: dict[str, str] = {}
        if body is not None:
            headers["Content-Type"] = "application/x-tar" if isinstance(body, bytes) else "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self._answer(method, target, body, headers, silence_s) as answer:
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise DaemonError(answer.status, _message(answer.read()))
            yield answer

    @contextmanager
    def _answer(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], silence_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._slots.get() or self._connection()
        reusable = None
        try:
            try:
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(silence_s)
                connection.request(method, target, body=body, headers=dict(headers))
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise UnreachableError(self._no_way(connection, error)) from error
            yield answer
            if self._address.scheme == "ssh" and answer.isclosed() and not answer.will_close:
                reusable = connection
        finally:
            if reusable is None:
                connection.close()
            self._slots.put(reusable)

    def _connection(self) -> http.client.HTTPConnection:
        address = self._address
        if address.scheme == "unix":
            return _Socket(address.path)
        if address.scheme == "ssh":
            return _Tunnel(ssh_command(address, self._ssh_opts))
        return http.client.HTTPConnection(address.hostname or "localhost", address.port or 2375, timeout=CONNECT_S)

    def _no_way(self, connection: http.client.HTTPConnection, error: Exception) -> str:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(connection, _Tunnel):
            connection.close()
            reason = connection.said() or f"ssh ended without a word ({reason})"
        return f"{self.host}: can't be reached ({' '.join(reason.split())}). Start Docker there, or fix the provider's host."


def ssh_command(address: SplitResult, ssh_opts: Sequence[str]) -> list[str]:
    """What reaches the daemon of an ssh:// address, with the provider's ssh options before Hearth's own."""
    login = ["-l", address.username] if address.username else []
    port = ["-p", str(address.port)] if address.port else []
    timeout = ["-o", f"ConnectTimeout={CONNECT_S:.0f}", "-o", "BatchMode=yes"]
    remote = ["docker", "system", "dial-stdio"]
    if address.path not in {"", "/"}:
        remote[1:1] = ["--host", f"unix://{address.path}"]
    return ["ssh", *ssh_opts, *timeout, "-T", *login, *port, "--", address.hostname or "", *remote]


def default_host() -> str:
    """Where the docker command would look without a context."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def segment(name: str) -> str:
    """A name as one segment of a path; references of images keep their slashes."""
    return quote(name, safe="/:@")


def _message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return raw.decode(errors="replace").strip() or "the daemon refused without a reason"
