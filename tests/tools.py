"""What tests need of the machine, and how they say that it isn't there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require(there: bool, missing: str) -> None:  # noqa: FBT001 - reads as one sentence
    """Go on when a tool is there; else skip, visibly, on a laptop, and fail in CI."""
    if not there and os.environ.get("CI"):
        pytest.fail(missing)
    if not there:
        pytest.skip(missing)


def daemon_answers() -> bool:
    """Whether there is a Docker daemon to talk to."""
    return shutil.which("docker") is not None and _succeeds("docker", "version")


def has_image(image: str) -> bool:
    """Whether the daemon has an image."""
    return shutil.which("docker") is not None and _succeeds("docker", "image", "inspect", image)


def in_image(image: str, mounts: dict[Path, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an image over files of this machine: as root, because test folders are private, and offline."""
    volumes = [part for source, target in mounts.items() for part in ("-v", f"{source}:{target}:ro")]
    box = ["docker", "run", "--rm", "--user", "0", "--network", "none", *volumes, "--workdir", "/"]
    command = [*box, "--entrypoint", argv[0], image, *argv[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
