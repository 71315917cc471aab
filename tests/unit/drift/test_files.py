"""Files inside a container, told by a daemon that is played."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import docker.errors
import pytest

from infra.config.secrets import SecretRef
from infra.drift.files import files

CONFIG, KEY = "/etc/x/config.yaml", "/run/secrets/hearth/KEY"
DECLARED = {"uploads": [{"file": CONFIG, "content": "a: 1\n"}, {"file": KEY, "content": SecretRef("engineKey")}]}
SECRETS = {"engineKey": "sk-secret"}
AS_DECLARED = {CONFIG: b"a: 1\n", KEY: b"sk-secret"}


class Api:
    """A daemon with one container; without `has_program` its image has no sha256sum."""

    def __init__(self, content: dict[str, bytes], *, has_program: bool = True) -> None:
        self.content, self.has_program = content, has_program
        self.copied: list[str] = []

    @property
    def api(self) -> Api:
        return self

    def exec_create(self, container: str, argv: list[str], *, stderr: bool, user: str) -> dict[str, Any]:
        assert (container, argv[0], stderr, user) == ("id", "sha256sum", False, "0")
        return {"Id": argv[1:]}

    def exec_start(self, paths: list[str]) -> bytes:
        if not self.has_program:
            return b'OCI runtime exec failed: "sha256sum": executable file not found\n'
        there = [path for path in paths if path in self.content]
        return "".join(f"{hashlib.sha256(self.content[path]).hexdigest()}  {path}\n" for path in there).encode()

    def get_archive(self, container: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        self.copied.append(path)
        if path not in self.content:
            raise docker.errors.NotFound(container)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            member = tarfile.TarInfo(path)
            member.size = len(self.content[path])
            archive.addfile(member, io.BytesIO(self.content[path]))
        return [packed.getvalue()], {}


def told(
    content: dict[str, bytes], secrets: dict[str, str] | None = SECRETS, *, status: str = "running", **more: Any
) -> list[tuple[str, str, str]]:
    state = {"Running": status != "exited", "Paused": status == "paused", "Restarting": status == "restarting"}
    client: Any = Api(content, **more)
    return [found[:3] for found in files(client, {"Id": "id", "State": state}, DECLARED, secrets)]


@pytest.mark.parametrize("status", ["running", "paused", "restarting", "exited"])
@pytest.mark.parametrize("has_program", [True, False])
def test_what_was_uploaded_is_as_declared_whoever_says_so(status: str, *, has_program: bool) -> None:
    assert told(AS_DECLARED, status=status, has_program=has_program) == []


def test_one_question_serves_for_all_files_that_are_there() -> None:
    client: Any = Api(AS_DECLARED)
    state = {"Running": True, "Paused": False, "Restarting": False}
    list(files(client, {"Id": "id", "State": state}, DECLARED, SECRETS))
    assert client.copied == []


@pytest.mark.parametrize("status", ["running", "exited"])
def test_an_edited_file_is_told_by_its_digest_and_a_secret_by_its_name_alone(status: str) -> None:
    found = told({CONFIG: b"a: 2\n", KEY: b"sk-other"}, status=status)
    assert [one[0] for one in found] == [f"file {CONFIG}", f"file {KEY}"]
    assert found[0][1].startswith("sha256:")
    assert found[0][2].endswith("(edited)")
    assert found[1][1:] == ("the secret engineKey", "another value")
    assert "sk-" not in str(found)


def test_without_the_passphrase_a_secret_has_to_be_there_and_no_more() -> None:
    assert told({**AS_DECLARED, KEY: b"sk-other"}, None) == []
    assert told({CONFIG: b"a: 1\n"}, None) == [(f"file {KEY}", "there", "not there")]
