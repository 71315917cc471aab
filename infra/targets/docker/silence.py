"""Silences at the stack's own Alertmanager, by the program inside its container: its port needn't be published for that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.services.base import Workload
from infra.targets.docker.connection import Connection, UnreachableError
from infra.targets.docker.mapping import Names

ANSWER_S: Final = 5
# amtool gives its time-out to the request itself alone: the question for the server's version that comes first has 30 s.
_IN_TIME: Final = (f"--timeout={ANSWER_S}s", "--no-version-check")
AUTHOR: Final = "hearth"


class NotSilencedError(Exception):
    """Nobody could be told; the text says why."""


@dataclass(frozen=True)
class Silencer:
    """The container that takes silences, the way to its daemon, and the program inside (amtool, with its options)."""

    container: str
    connection: Connection
    command: tuple[str, ...]

    def add(self, matchers: Iterable[str], duration_s: float, comment: str) -> str:
        """Silence alerts that all matchers fit (`instance=coder`), and return the silence's id.

        Raises:
            NotSilencedError: the container isn't there, or its program says no.
        """
        told = (f"--duration={round(duration_s)}s", f"--author={AUTHOR}", f"--comment={comment}")
        return self._run("silence", "add", *told, *matchers).strip()

    def set_length(self, silence: str, duration_s: float) -> None:
        """Let a silence be so long in all, from when it began (as amtool counts); raises as `add` does.

        One that would have ended already is refused.
        """
        self._run("silence", "update", f"--duration={round(duration_s)}s", silence)

    def end(self, silences: Sequence[str]) -> None:
        """End silences now; raises as `add` does."""
        if silences:
            self._run("silence", "expire", *silences)

    def active(self) -> list[dict[str, Any]]:
        """Return the silences that are in force, as Alertmanager's API writes them; raises as `add` does."""
        found: list[dict[str, Any]] = json.loads(self._run("silence", "query", "--output=json") or "[]")
        return found

    def _run(self, *arguments: str) -> str:
        import docker  # noqa: PLC0415 - a preview never silences, and must not pay for this import
        from docker.utils.socket import SocketError  # noqa: PLC0415

        try:
            with self.connection.client(ANSWER_S) as client:
                ran = client.containers.get(self.container).exec_run([*self.command, *_IN_TIME, *arguments], demux=True)
        except (docker.errors.DockerException, OSError, SocketError, UnreachableError) as error:
            raise NotSilencedError(f"{self.container}: {error}") from None
        out, problem = (part.decode(errors="replace") if part else "" for part in ran.output)
        if ran.exit_code:
            raise NotSilencedError(f"{self.container}: {(problem or out).strip()}")
        return str(out)


def silencer_of(workloads: Iterable[Workload], names: Names, connections: Mapping[str, Connection]) -> Silencer | None:
    """Return what takes the silences of a stack, on whichever of the hosts it runs."""
    for workload in workloads:
        if workload.silencer and workload.host in connections:
            return Silencer(names.of(workload.instance), connections[workload.host], workload.silencer)
    return None
