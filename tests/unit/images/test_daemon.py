from __future__ import annotations

from pathlib import Path

import pytest

from images import daemon
from images.output import BuildError
from tests.unit.images.conftest import FakeTools

CLIENT = """#!/bin/sh
case "$1 $2 $3" in
    "buildx version "*) exit {buildx} ;;
    *Client.Version*) echo {version} ;;
    *Server.Version*) exit {server} ;;
esac
"""


def client(tools: FakeTools, version: str, *, buildx: bool = False, server: bool = True) -> Path:
    text = CLIENT.replace("{buildx}", "0" if buildx else "1").replace("{version}", version)
    return tools.add("docker", text.replace("{server}", "0" if server else "1"))


@pytest.mark.parametrize(
    ("version", "buildx", "able"),
    [("20.10.24+dfsg1", False, True), ("28.2.2", False, False), ("28.2.2", True, True), ("nonsense", False, False)],
)
def test_which_clients_can_build(tools: FakeTools, version: str, *, buildx: bool, able: bool) -> None:
    assert daemon.can_build(client(tools, version, buildx=buildx)) is able


def test_a_client_that_cannot_build_is_passed_over(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    new = client(tools, "28.2.2")
    old = tools.add(
        "docker-old", CLIENT.replace("{buildx}", "1").replace("{version}", "20.10.5").replace("{server}", "0")
    )
    monkeypatch.setattr(daemon, "clients_on_path", lambda: [new, old])
    assert daemon.connect().client == old


def test_no_client_that_can_build_is_told_with_what_to_install(
    tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = client(tools, "28.2.2")
    monkeypatch.setattr(daemon, "clients_on_path", lambda: [new])
    with pytest.raises(BuildError, match=r"can't build \(no buildx plugin\)\. Install docker-buildx"):
        daemon.connect()


def test_a_silent_daemon_is_told_with_its_address(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    only = client(tools, "20.10.5", server=False)
    monkeypatch.setattr(daemon, "clients_on_path", lambda: [only])
    monkeypatch.setenv("DOCKER_HOST", "tcp://gpu-box:2376")
    with pytest.raises(BuildError, match=r"no daemon answers at tcp://gpu-box:2376"):
        daemon.connect()


def test_no_client_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "clients_on_path", list)
    with pytest.raises(BuildError, match="no client on PATH"):
        daemon.connect()


def test_path_comes_first_and_each_client_once(tools: FakeTools) -> None:
    found = daemon.clients_on_path()
    assert found[0] == tools.folder / "docker"
    assert len(found) == len(set(found))


def test_a_failed_question_repeats_what_docker_said(tools: FakeTools) -> None:
    broken = daemon.Daemon(tools.add("docker", "#!/bin/sh\necho no such thing >&2\nexit 1\n"))
    with pytest.raises(BuildError, match=r"docker image: no such thing\."):
        broken.references("hearth/nginx")
