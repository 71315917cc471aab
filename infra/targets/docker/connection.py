"""How a host's daemon is reached, by the provider and by what waits for containers alike."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from infra.config.inventory import Host
from infra.ssh import ssh_command

if TYPE_CHECKING:
    import docker

_LOCAL_SOCKET: Final = "unix:///var/run/docker.sock"
# sshd refuses logins when ten are under way (MaxStartups 10:30:100); the provider has some of its own.
_LOGINS: Final = threading.Semaphore(4)
_ANSWER_S: Final = 60.0


class UnreachableError(Exception):
    """A host's daemon can't be spoken to; the text names the host and says why."""


@dataclass(frozen=True)
class Connection:
    """One host's daemon: `address` as Docker writes it (unix:// or ssh://), with further arguments for ssh."""

    host: str
    address: str
    ssh_options: tuple[str, ...] = ()

    @classmethod
    def to(cls, name: str, host: Host) -> Connection:
        """Return the way to a host of the inventory."""
        if host.connection == "local":
            return cls(name, os.environ.get("DOCKER_HOST", _LOCAL_SOCKET))
        return cls(name, host.connection, host.ssh_options)

    @property
    def is_remote(self) -> bool:
        """Whether the daemon is on another machine."""
        return self.address.startswith("ssh://")

    @contextmanager
    def client(self, answer_s: float = _ANSWER_S) -> Iterator[docker.DockerClient]:
        """Give a client of the daemon, for one thread.

        Raises:
            UnreachableError: no daemon answers, or ssh isn't let in.
        """
        import docker  # noqa: PLC0415 - a preview never asks, and must not pay for this import

        with ExitStack() as held:
            tunnel = held.enter_context(_Tunnel(self._dial())) if self.is_remote else None
            address = tunnel.address if tunnel is not None else self.address
            try:
                with _LOGINS:
                    made = docker.DockerClient(address, version="auto", timeout=answer_s)
            except (docker.errors.DockerException, OSError) as error:
                reason = (tunnel.said() if tunnel is not None else "") or str(error)
                raise UnreachableError(f"{self.host} ({self.address}): {reason}") from None
            held.callback(made.close)
            yield made

    def _dial(self) -> list[str]:
        try:
            return [*ssh_command(self.address, self.ssh_options), "docker", "system", "dial-stdio"]
        except ValueError as error:
            raise UnreachableError(f"{self.host}: {error}") from None


class _Tunnel:
    """A socket of this machine behind which a host's daemon is: every connection to it is an ssh of its own.

    The docker package can go by ssh too, but has no way to pass it options.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="hearth-ssh-")
        self._said = Path(self._directory.name, "said")
        path = str(Path(self._directory.name, "docker.sock"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self.address = f"unix://{path}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone doesn't wake who waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for ssh in self._running:
            ssh.terminate()
        for ssh in self._running:
            ssh.wait()
        self._directory.cleanup()

    def said(self) -> str:
        """Return what ssh has written to its standard error, in one line."""
        try:
            return " ".join(self._said.read_text(encoding="utf-8", errors="replace").split())
        except OSError:
            return ""

    def _accept(self) -> None:
        while True:
            try:
                theirs, _ = self._listener.accept()
            except OSError:
                return
            with theirs, self._said.open("ab") as said:
                end = theirs.fileno()
                # Out of the terminal's reach: Ctrl-C goes to the engine, which decides.
                ssh = subprocess.Popen(self._command, stdin=end, stdout=end, stderr=said, start_new_session=True)
            self._running.append(ssh)
