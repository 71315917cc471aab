"""Files inside a container, compared with those that were uploaded into it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from infra.config.secrets import SecretRef
from infra.drift.difference import Wins
from infra.drift.look import Arguments, Found, Inspected

if TYPE_CHECKING:
    import docker

_DIGITS: Final = 12
_HEX_DIGITS: Final = 64


def files(
    client: docker.DockerClient, seen: Inspected, declared: Arguments, secrets: Mapping[str, str] | None
) -> Iterator[Found]:
    """Yield files that are gone or edited. Of a secret neither content nor digest is told; without `secrets` (their values
    by name) it only has to be there.
    """
    paths = [upload["file"] for upload in declared["uploads"]]
    there = _digests_inside(client, seen, paths)
    for upload in declared["uploads"]:
        path, content = upload["file"], upload["content"]
        digest = there.get(path) or _digest_outside(client, seen["Id"], path)
        if digest is None:
            yield f"file {path}", "there", "not there", Wins.SEEN
        elif isinstance(content, SecretRef):
            if secrets is not None and content.name in secrets and _digest(secrets[content.name].encode()) != digest:
                yield f"file {path}", f"the secret {content.name}", "another value", Wins.SEEN
        elif _digest(content.encode()) != digest:
            wanted = _short(_digest(content.encode()))
            yield f"file {path}", wanted, f"{_short(digest)} (edited)", Wins.SEEN


def _digests_inside(client: docker.DockerClient, seen: Inspected, paths: Sequence[str]) -> dict[str, str]:
    """Return what one program inside says of all files: the daemon takes a tenth of a second for each that it copies out."""
    import docker  # noqa: PLC0415 - a preview never asks

    state = seen["State"]
    if not paths or not state["Running"] or state["Paused"] or state["Restarting"]:
        return {}
    try:
        made = client.api.exec_create(seen["Id"], ["sha256sum", *paths], stderr=False, user="0")
        printed = client.api.exec_start(made["Id"]).decode(errors="replace")
    except docker.errors.DockerException:
        # No such program in the image, or the container has just ended.
        return {}
    lines = (line.partition("  ") for line in printed.splitlines())
    return {path: digest for digest, _, path in lines if len(digest) == _HEX_DIGITS}


def _digest_outside(client: docker.DockerClient, container_id: str, path: str) -> str | None:
    """Return the digest of a file that the daemon copies out, running or not; None where it isn't there."""
    import docker  # noqa: PLC0415 - a preview never asks

    try:
        stream, _ = client.api.get_archive(container_id, path)
        packed = io.BytesIO(b"".join(stream))
    except docker.errors.NotFound:
        return None
    with tarfile.open(fileobj=packed) as archive:
        member = next((one for one in archive if one.isfile()), None)
        content: Any = archive.extractfile(member) if member is not None else None
        return _digest(bytes(content.read())) if content is not None else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short(digest: str) -> str:
    return f"sha256:{digest[:_DIGITS]}"
