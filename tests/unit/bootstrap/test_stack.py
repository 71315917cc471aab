from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from bootstrap import paths, stack
from infra.config.secrets import check_secrets


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "HOME", tmp_path / ".hearth")
    return tmp_path


@pytest.mark.parametrize("kind", ["key", "password"])
def test_made_secrets_are_strong_and_never_the_same(kind: str) -> None:
    made = {stack.make_secret(kind) for _ in range(50)}
    assert len(made) == 50
    assert all(len(secret) >= 40 for secret in made)


def test_a_made_key_is_one_that_the_declaration_accepts() -> None:
    assert check_secrets({"gatewayMasterKey": stack.make_secret("key")}) == []


def test_the_image_source_is_read_from_the_file_and_from_what_it_extends(checkout: Path) -> None:
    (checkout / "Pulumi.base.yaml").write_text("config:\n  hearth:imageSource: built\n")
    (checkout / "Pulumi.mine.yaml").write_text("config:\n  hearth:extends: base\n")
    assert stack.image_source("mine") == "built"


def test_a_circle_of_extends_ends(checkout: Path) -> None:
    (checkout / "Pulumi.a.yaml").write_text("config:\n  hearth:extends: a\n")
    assert stack._written("a", "imageSource") == ""


@pytest.mark.usefixtures("checkout")
def test_the_passphrase_is_made_once_and_only_its_owner_reads_it() -> None:
    stack.ensure_backend()
    file = paths.passphrase_file()
    text = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stack.ensure_backend()
    assert file.read_text() == text
    assert len(text) >= 40


def test_a_passphrase_of_the_users_is_left_to_the_user(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "own")
    stack.ensure_backend()
    assert not paths.passphrase_file().exists()
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in paths.settings()
    assert checkout.exists()


def test_only_locks_of_dead_processes_of_this_machine_are_left_overs(checkout: Path) -> None:
    folder = checkout / ".hearth" / "state" / ".pulumi" / "locks" / "organization" / "hearth" / "mine"
    folder.mkdir(parents=True)
    here = socket.gethostname()
    for name, pid, host in (("a", 1, here), ("b", 2, here), ("c", 2, "elsewhere")):
        (folder / f"{name}.json").write_text(json.dumps({"pid": pid, "hostname": host, "username": "u"}))
    assert stack._dead_locks("mine", alive=lambda pid: pid == 1) == [2]
    assert stack._dead_locks("other", alive=lambda _: False) == []


def test_a_process_that_runs_is_alive_and_one_that_cannot_be_is_not() -> None:
    assert stack._is_alive(os.getpid())
    assert not stack._is_alive(2**22 + 1)
