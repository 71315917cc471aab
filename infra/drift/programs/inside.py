"""Puts questions to a running program from inside its own container: no port need be published for that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from infra.drift.difference import Wins
from infra.services.base import Workload

if TYPE_CHECKING:
    import docker

_ANSWER_S: Final = 15
_SAID: Final = 200
Run = Callable[[Sequence[str]], str]


class UnaskedError(Exception):
    """A program couldn't be asked; the text says why, without a secret."""


class Told(NamedTuple):
    """A difference that a program told. `repair` is what undoes it, where `up` and a new container don't."""

    aspect: str
    declared: str
    seen: str
    wins: Wins = Wins.PROGRAM
    repair: str = ""
    adopt: str = ""


class Note(NamedTuple):
    """What a reader should know that is no difference."""

    text: str


@dataclass(frozen=True)
class Inside:
    """One running container. `run` runs a command in it and returns what it prints, or raises UnaskedError."""

    workload: Workload
    run: Run

    def get(self, path: str) -> Any:
        """Return the JSON behind a path of the program, by the client that its health check uses."""
        probe = self.workload.probe
        if probe is None:
            raise UnaskedError("has no client for a question")
        url = f"http://127.0.0.1:{probe.port}{path}"
        clients = {
            "curl": ["curl", "-fsS", "--noproxy", "*", "--max-time", str(_ANSWER_S), url],
            "wget": ["wget", "-q", "-T", str(_ANSWER_S), "-O", "-", url],
            "python3": [
                "python3",
                "-c",
                f"import urllib.request as r; print(r.urlopen({url!r}, timeout={_ANSWER_S}).read().decode())",
            ],
        }
        return self.parsed(self.run(clients[probe.client]))

    def script(self, text: str, *arguments: str) -> Any:
        """Run a Python program with arguments, and return the JSON that it prints."""
        return self.parsed(self.run(["python3", "-c", text, *arguments]))

    def parsed(self, text: str) -> Any:
        """Return JSON that a program printed.

        Raises:
            UnaskedError: it is none.
        """
        try:
            return json.loads(text)
        except ValueError:
            raise UnaskedError("answers, and not with JSON") from None

    def file(self, path: str) -> str:
        """Return the declared content of a file; empty when none is declared."""
        return next((file.content for file in self.workload.files if file.path == path), "")

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the declared variables."""
        return self.workload.environment


def runner(client: docker.DockerClient, container_id: str) -> Run:
    """Return what runs commands in a container."""

    def run(argv: Sequence[str]) -> str:
        import docker  # noqa: PLC0415 - a preview never asks

        try:
            made = client.api.exec_create(container_id, list(argv))
            out, said = client.api.exec_start(made["Id"], demux=True)
            code = client.api.exec_inspect(made["Id"])["ExitCode"]
        except docker.errors.DockerException as error:
            raise UnaskedError(str(error)) from None
        if code:
            lines = (said or b"").decode(errors="replace").strip().splitlines()
            raise UnaskedError(lines[-1][:_SAID] if lines else f"{argv[0]} ended with {code}")
        return (out or b"").decode(errors="replace")

    return run
