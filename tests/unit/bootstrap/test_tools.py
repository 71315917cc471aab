"""The CLI, the plugin, the daemon and the virtualenv: which one is taken, and what half a one counts for."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootstrap import console, docker_engine, paths, plugin, probe, pulumi_cli, venv
from bootstrap.plugins.docker import install as stand_in


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty .hearth, a user without Pulumi, and a PATH without any program."""
    monkeypatch.setattr(paths, "HOME", tmp_path / ".hearth")
    monkeypatch.setattr(paths, "BIN", tmp_path / ".hearth" / "bin")
    monkeypatch.setattr(paths, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(paths, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "user")
    monkeypatch.setattr(probe, "reachable", lambda _: False)
    for name in ("PULUMI_HOME", "HEARTH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def program(file: Path, text: str = "#!/bin/sh\n") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("v3.256.0", True),
        ("v3.256.1-dev", True),
        ("v3.300.0", True),
        ("v3.255.9", False),
        ("v4.0.0", False),
        ("", False),
    ],
)
def test_which_cli_can_run_the_pinned_sdk(version: str, *, fits: bool) -> None:
    assert pulumi_cli.fits(version) is fits


@pytest.mark.parametrize(
    ("system", "machine", "end"),
    [("Linux", "x86_64", "linux-x64"), ("Linux", "aarch64", "linux-arm64"), ("Darwin", "arm64", "darwin-arm64")],
)
def test_the_archive_of_a_machine(system: str, machine: str, end: str) -> None:
    assert pulumi_cli.archive_name(system, machine) == f"pulumi-v3.256.0-{end}.tar.gz"
    with pytest.raises(ValueError, match="riscv64"):
        pulumi_cli.archive_name(system, "riscv64")


def test_a_fitting_cli_on_path_is_taken_only_with_its_language_host(home: Path) -> None:
    program(home / "path" / "pulumi", "#!/bin/sh\necho v3.257.0\n")
    assert pulumi_cli.found() == ""
    program(home / "path" / "pulumi-language-python")
    assert pulumi_cli.found() == "v3.257.0 (on PATH)"


def test_a_set_without_its_stamp_or_of_another_version_is_none(home: Path) -> None:
    for name in ("pulumi", "pulumi-language-python"):
        program(paths.BIN / name)
    assert pulumi_cli.found() == ""
    (paths.BIN / "pulumi.version").write_text("3.1.0 official")
    assert pulumi_cli.found() == ""
    (paths.BIN / "pulumi.version").write_text("3.256.0 official")
    assert pulumi_cli.found() == "v3.256.0, official (.hearth/bin)"
    assert home.exists()


@pytest.fixture
def site(home: Path) -> Iterator[Callable[[str], str]]:
    """A download site with an archive for this machine, and its checksums: right or wrong."""
    folder = home / "site"
    folder.mkdir()
    name = pulumi_cli.archive_name("Linux", os.uname().machine)
    with tarfile.open(folder / name, "w:gz") as archive:
        for member in ("pulumi", "pulumi-language-python", "pulumi-language-nodejs"):
            entry = tarfile.TarInfo(f"pulumi/{member}")
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"text"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def publish(kind: str) -> str:
            digest = hashlib.sha256((folder / name).read_bytes() if kind == "right" else b"").hexdigest()
            (folder / "pulumi-3.256.0-checksums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {name}\n")
            return f"http://127.0.0.1:{server.server_port}"

        yield publish
        server.shutdown()
        thread.join()


def test_a_download_is_unpacked_when_its_checksum_is_the_published_one(site: Callable[[str], str]) -> None:
    store = pulumi_cli._downloaded(site("right"))
    assert sorted(file.name for file in store.iterdir()) == ["pulumi", "pulumi-language-python"]
    pulumi_cli._install(store, "official")
    assert pulumi_cli.found() == "v3.256.0, official (.hearth/bin)"
    assert all(os.access(paths.BIN / name, os.X_OK) for name in ("pulumi", "pulumi-language-python"))


def test_a_download_with_another_checksum_is_refused(site: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="checksum"):
        pulumi_cli._downloaded(site("wrong"))
    assert not (paths.cache() / "pulumi-3.256.0-official").exists()


def test_a_site_that_fails_after_all_leaves_the_build(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = home / "built"
    for name in ("pulumi", "pulumi-language-python"):
        program(built / name)
    monkeypatch.setattr(probe, "reachable", lambda _: True)
    monkeypatch.setattr(pulumi_cli, "_SITE", "http://127.0.0.1:9")
    monkeypatch.setattr(pulumi_cli, "_built", lambda: built)
    pulumi_cli.ensure()
    assert "building it instead" in capsys.readouterr().out
    assert pulumi_cli.found() == "v3.256.0, built from Go modules (.hearth/bin)"


def test_what_a_killed_build_left_is_removed_by_the_next(home: Path) -> None:
    store = home / "cache" / "pulumi-3.256.0-x"
    (store.parent / f"{store.name}.999").mkdir(parents=True)
    place = pulumi_cli._workplace(store)
    assert [file.name for file in store.parent.iterdir()] == [place.name]


@pytest.mark.usefixtures("home")
def test_without_go_and_site_the_fix_is_said() -> None:
    with pytest.raises(console.StepError, match="Install Go"):
        pulumi_cli._built()


def test_the_stand_in_is_used_only_where_no_official_plugin_is(home: Path) -> None:
    assert plugin.in_use() == "none"
    plugin.ensure()
    assert plugin.in_use() == plugin.STAND_IN
    program(home / "user" / ".pulumi" / stand_in.FOLDER / stand_in.BINARY)
    plugin.ensure()
    assert plugin.in_use() == plugin.OFFICIAL
    # The engine lists folders only: a link would be no plugin to it.
    assert not (paths.HOME / "pulumi" / stand_in.FOLDER).is_symlink()


def test_an_official_plugin_on_path_is_left_to_the_engine(home: Path) -> None:
    program(home / "path" / stand_in.BINARY)
    plugin.ensure()
    assert plugin.in_use() == plugin.OFFICIAL
    assert not (paths.HOME / "pulumi").exists()


def test_a_plugin_that_cannot_be_installed_leaves_the_stand_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probe, "reachable", lambda _: True)
    plugin.ensure()
    assert plugin.in_use() == plugin.STAND_IN
    assert "stand-in" in capsys.readouterr().out
    assert home.exists()


def test_only_the_daemon_that_hearth_started_is_hearths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dockerd.pid"
    monkeypatch.setattr(docker_engine, "_PID_FILE", file)
    assert docker_engine.our_pid() is None
    birth = docker_engine._birth(os.getpid())
    assert birth is not None
    file.write_text(f"{os.getpid()} {birth}")
    assert docker_engine.our_pid() == os.getpid()
    # The same pid, of a program that was born at another moment.
    file.write_text(f"{os.getpid()} {birth - 1}")
    assert docker_engine.our_pid() is None
    docker_engine.stop()


def test_a_named_daemon_that_does_not_answer_is_no_reason_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(console.StepError, match=r"DOCKER_HOST=tcp://.* doesn't answer"):
        docker_engine.ensure()


@pytest.mark.parametrize(("seen", "launches"), [([True, True, False], 1), ([False], 1), ([True], 0)])
def test_a_daemon_that_ends_is_followed_by_one_of_ours_and_one_that_starts_is_not(
    monkeypatch: pytest.MonkeyPatch, seen: list[bool], launches: int
) -> None:
    """`seen`: whether a dockerd runs, look by look; the daemon answers once the looks are over."""
    looks = iter(seen)
    left = len(seen)
    launched: list[int] = []

    def runs() -> bool:
        nonlocal left
        left -= 1
        return next(looks)

    monkeypatch.setattr(docker_engine, "_LOOK_EVERY_S", 0)
    monkeypatch.setattr(docker_engine, "_runs", runs)
    monkeypatch.setattr(docker_engine, "version", lambda: "" if left else "20.10")
    monkeypatch.setattr(docker_engine, "_launch", lambda: launched.append(1))
    docker_engine._start()
    assert len(launched) == launches


def test_a_daemon_that_ends_at_once_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "dockerd.log"
    monkeypatch.setattr(docker_engine, "_LOG", log)
    monkeypatch.setattr(docker_engine, "_LOOK_EVERY_S", 0)
    monkeypatch.setattr(docker_engine, "_runs", lambda: False)
    monkeypatch.setattr(docker_engine, "version", lambda: "")
    monkeypatch.setattr(docker_engine, "_launch", lambda: log.write_text("starting\nno space left\n"))
    with pytest.raises(console.StepError, match=r"ended at once.*no space left"):
        docker_engine._start()


def test_packages_without_root_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_root", lambda: False)
    with pytest.raises(console.StepError, match=r"apt-get install docker\.io"):
        docker_engine.install("docker engine", "docker.io")


def test_uv_is_told_the_index_that_pip_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ":env:.find-links='/wheels /more'\nglobal.index-url='https://index.example/simple'\nglobal.cert='/ca'\n"
    monkeypatch.setattr(console, "answer", lambda *_, **__: told)
    wanted = {"UV_FIND_LINKS": "/wheels /more", "UV_DEFAULT_INDEX": "https://index.example/simple"}
    assert wanted.items() <= venv.uv_environment().items()


def test_a_virtualenv_without_its_python_has_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text("abc")
    monkeypatch.setattr(venv, "_STAMP", stamp)
    monkeypatch.setattr(paths, "PYTHON", tmp_path / "python")
    assert venv.installed() == []
    program(tmp_path / "python")
    assert venv.installed() == ["abc"]
