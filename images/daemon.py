"""The Docker daemon as the builds see it, through a client that can build with secrets and bind mounts (BuildKit)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from images.output import BuildError

LAST_MAJOR_WITH_BUILDKIT: Final = 22  # later clients leave BuildKit to the buildx plugin
ANSWERED_WITHIN_S: Final = 60.0


@dataclass(frozen=True)
class Image:
    """One image of the daemon: its reference and size."""

    reference: str
    size_bytes: int


class Daemon:
    """The local images, asked and changed through one Docker client."""

    def __init__(self, client: Path) -> None:
        self.client = client

    def ask(self, *arguments: str) -> str:
        """Run a short Docker command and return what it printed.

        Raises:
            BuildError: it failed.
        """
        done = _quiet(self.client, *arguments)
        if done.returncode:
            msg = f"docker {arguments[0]}: {done.stderr.strip() or 'failed without a word'}."
            raise BuildError(msg)
        return done.stdout

    def image(self, reference: str) -> Image | None:
        """The image of that reference, or None where the daemon has none."""
        done = _quiet(self.client, "image", "inspect", "--format", "{{.Size}}", reference)
        return None if done.returncode else Image(reference, int(done.stdout))

    def references(self, repository: str) -> list[str]:
        """Every tagged reference of one repository."""
        printed = self.ask("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository)
        return [line for line in printed.split() if not line.endswith(":<none>")]

    def remove(self, reference: str) -> bool:
        """Remove one tag; False where a container still uses the image."""
        return _quiet(self.client, "image", "rm", reference).returncode == 0


def _quiet(client: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(client), *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=ANSWERED_WITHIN_S,
    )


def clients_on_path() -> list[Path]:
    """Every program called docker on PATH, then where distributions put it, each once."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    found = [Path(path) for folder in folders if (path := shutil.which("docker", path=folder))]
    return list(dict.fromkeys(found))


def can_build(client: Path) -> bool:
    """Whether this client builds with BuildKit: by its buildx plugin, or being old enough to have it built in."""
    if _quiet(client, "buildx", "version").returncode == 0:
        return True
    major = _quiet(client, "version", "--format", "{{.Client.Version}}").stdout.split(".")[0]
    return major.isdigit() and int(major) <= LAST_MAJOR_WITH_BUILDKIT


def connect() -> Daemon:
    """Find a client that can build, and check that the daemon answers it.

    Raises:
        BuildError: there is no such client, or no daemon.
    """
    clients = clients_on_path()
    if not clients:
        msg = "docker: no client on PATH. Install docker.io (Debian, Ubuntu) or Docker Engine."
        raise BuildError(msg)
    client = next((client for client in clients if can_build(client)), None)
    if client is None:
        names = ", ".join(map(str, clients))
        msg = f"docker: {names} can't build (no buildx plugin). Install docker-buildx, or Debian's docker.io."
        raise BuildError(msg)
    if _quiet(client, "version", "--format", "{{.Server.Version}}").returncode:
        where = os.environ.get("DOCKER_HOST", "the local socket")
        msg = f"docker: no daemon answers at {where}. Start it, or correct DOCKER_HOST."
        raise BuildError(msg)
    return Daemon(client)
