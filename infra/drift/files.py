"""Files inside a container, compared with those that were uploaded into it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from infra.config.secrets import SecretRef
from infra.drift.containers import Arguments, Found
from infra.drift.difference import Wins

if TYPE_CHECKING:
    import docker

_DIGITS: Final = 12


def files(
    client: docker.DockerClient, container_id: str, declared: Arguments, secrets: Mapping[str, str] | None
) -> Iterator[Found]:
    """Yield files that are gone or edited. Of a secret neither content nor digest is told; without `secrets` (their values
    by name) it only has to be there.
    """
    for upload in declared["uploads"]:
        path, content = upload["file"], upload["content"]
        there = _read(client, container_id, path)
        if there is None:
            yield f"file {path}", "there", "not there", Wins.SEEN
        elif isinstance(content, SecretRef):
            if secrets is not None and content.name in secrets and secrets[content.name].encode() != there:
                yield f"file {path}", f"the secret {content.name}", "another value", Wins.SEEN
        elif content.encode() != there:
            yield f"file {path}", _digest(content.encode()), f"{_digest(there)} (edited)", Wins.SEEN


def _read(client: docker.DockerClient, container_id: str, path: str) -> bytes | None:
    import docker  # noqa: PLC0415 - a preview never asks

    try:
        stream, _ = client.api.get_archive(container_id, path)
        packed = io.BytesIO(b"".join(stream))
    except docker.errors.NotFound:
        return None
    with tarfile.open(fileobj=packed) as archive:
        member = next((one for one in archive if one.isfile()), None)
        content: Any = archive.extractfile(member) if member is not None else None
        return bytes(content.read()) if content is not None else None


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:_DIGITS]}"
