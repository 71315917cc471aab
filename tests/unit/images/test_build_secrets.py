from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from images import build_secrets


@pytest.fixture(autouse=True)
def no_files_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CA_FILES", "UV_FILES", "PIP_FILES"):
        monkeypatch.setattr(build_secrets, name, ())


def test_the_named_bundle_of_authorities_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, known = tmp_path / "named.pem", tmp_path / "known.pem"
    for path in (named, known):
        path.touch()
    monkeypatch.setattr(build_secrets, "CA_FILES", (str(known),))
    assert build_secrets.certificates({"SSL_CERT_FILE": str(named)}) == named
    assert build_secrets.certificates({"SSL_CERT_FILE": str(tmp_path / "absent")}) == known
    assert build_secrets.certificates({}) == known


def test_a_machine_without_authorities_gives_none() -> None:
    assert build_secrets.certificates({}) is None


def test_the_public_index_needs_no_settings(tmp_path: Path) -> None:
    assert build_secrets.uv_settings(tmp_path, {}) is None


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_an_index_of_the_environment_becomes_a_file_for_its_owner_alone(tmp_path: Path, variable: str) -> None:
    written = build_secrets.uv_settings(tmp_path, {variable: "https://user:secret@mirror.example/simple"})
    assert written is not None
    assert written.parent == tmp_path
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    settings = tomllib.loads(written.read_text())
    assert settings["index"] == [{"url": "https://user:secret@mirror.example/simple", "default": True}]


def test_an_index_of_pip_is_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pip := tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/100%25/simple\n")
    monkeypatch.setattr(build_secrets, "PIP_FILES", (str(pip),))
    written = build_secrets.uv_settings(tmp_path, {})
    assert written is not None
    assert tomllib.loads(written.read_text())["index"][0]["url"] == "https://mirror.example/100%25/simple"


def test_settings_of_uv_are_used_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own := tmp_path / "own.toml").touch()
    monkeypatch.setattr(build_secrets, "UV_FILES", (str(own),))
    assert build_secrets.uv_settings(tmp_path, {}) == own
    assert build_secrets.uv_settings(tmp_path, {"UV_CONFIG_FILE": "/elsewhere/uv.toml"}) == Path("/elsewhere/uv.toml")
