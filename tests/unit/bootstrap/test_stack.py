from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bootstrap import console, paths, stack
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


@pytest.mark.usefixtures("checkout")
def test_a_shell_that_names_the_passphrase_before_it_exists_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(paths.passphrase_file()))
    stack.ensure_backend()
    assert paths.passphrase_file().read_text()


def test_a_passphrase_of_the_users_is_left_to_the_user(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "own")
    stack.ensure_backend()
    assert not paths.passphrase_file().exists()
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in paths.settings()
    assert checkout.exists()


def test_purge_takes_back_what_hearth_made_and_nothing_else(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "Pulumi.mine.yaml").write_text(
        "config:\n  hearth:edge: {expose: 1}\n  hearth:engineKey:\n    secure: v1:x\n"
    )
    asked: list[list[str]] = []

    def answer(argv: list[str], **_: object) -> str:
        asked.append(argv)
        return ""

    monkeypatch.setattr(console, "answer", answer)
    assert not stack.forget_made("mine")
    stack.set_config("mine", "engineKey", "sk-x", secret=True, made=True)
    stack.set_config("mine", "hfToken", "hf_x", secret=True)
    stack.set_config("mine", "gone", "x", made=True)
    asked.clear()
    assert stack.forget_made("mine")
    assert [argv[1:4] for argv in asked] == [["config", "rm", "hearth:engineKey"]]
    assert not stack.forget_made("mine")


@pytest.mark.parametrize(("secret", "kept"), [("", False), ("  hearth:hfToken:\n    secure: v1:x\n", True)])
def test_a_salt_goes_when_no_secret_needs_it(checkout: Path, secret: str, *, kept: bool) -> None:
    file = checkout / "Pulumi.mine.yaml"
    own = f"# mine\nconfig:\n  hearth:target: docker\n{secret}"
    file.write_text(f"{own}encryptionsalt: v1:abc=:v1:def==\n")
    stack.forget_salt("mine")
    assert ("encryptionsalt" in file.read_text()) is kept
    assert file.read_text().startswith(own)


def test_a_value_is_never_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], str]] = []

    def answer(argv: list[str], *, given: str, **_: object) -> str:
        seen.append((argv, given))
        return ""

    monkeypatch.setattr(console, "answer", answer)
    stack.set_config("mine", "hfToken", "hf_very_secret", secret=True)
    ((argv, given),) = seen
    assert given == "hf_very_secret"
    assert "hf_very_secret" not in " ".join(argv)
    assert "--secret" in argv
