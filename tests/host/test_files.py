"""Files inside containers: those that were rendered byte for byte, those with secrets by their being there."""

from __future__ import annotations

import hashlib
import shlex

from infra.config.secrets import SecretRef
from tests.host.conftest import Running


def test_its_files_are_as_rendered(container: Running) -> None:
    wanted = {
        one["file"]: hashlib.sha256(one["content"].encode()).hexdigest()
        for one in container.declared.arguments["uploads"]
        if not isinstance(one["content"], SecretRef)
    }
    assert {path: digest(container, path) for path in wanted} == wanted


def test_its_secrets_are_there(container: Running) -> None:
    for one in container.declared.arguments["uploads"]:
        if isinstance(one["content"], SecretRef):
            mode, _, size = listed(container, one["file"]).split()[:3]
            assert mode == "-r--r--r--", f"{one['file']} has the mode {mode}"
            assert int(size) > 0, f"{one['file']} is empty"


def digest(container: Running, path: str) -> str:
    """Return the SHA-256 of a file inside; works without any program in the image, and for what has ended."""
    return archived(container, path, "tar -xOf - | sha256sum").split()[0]


def listed(container: Running, path: str) -> str:
    """Return a file's mode, owner and size, as tar lists them: its content stays where it is."""
    return archived(container, path, "tar -tvf -")


def archived(container: Running, path: str, pipe: str) -> str:
    return container.machine.docker(f"cp {container.name}:{shlex.quote(path)} - | {pipe}")
