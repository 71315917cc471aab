"""What the stand-in makes of single values; needs neither engine nor daemon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from bootstrap.plugins.docker import install, provider
from bootstrap.plugins.docker.container import Container
from bootstrap.plugins.docker.daemon import ssh_command
from bootstrap.plugins.docker.properties import Rule, changes, check, observed, places
from bootstrap.plugins.docker.remote_image import split_reference
from bootstrap.plugins.docker.shapes import duration, nanoseconds
from bootstrap.plugins.docker.values import UNKNOWN, Secret, decode, encode, without_secrets

BASE: dict[str, Any] = {"name": "c", "image": "i"}


@pytest.mark.parametrize(
    ("imported", "has_sdk"),
    [("bootstrap.plugins.docker.__main__", False), ("bootstrap.plugins.docker.provider, pulumi", True)],
)
def test_only_the_plugins_own_process_does_without_the_sdk(imported: str, *, has_sdk: bool) -> None:
    program = f"import {imported}, sys; print(hasattr(sys.modules['pulumi'], 'Output'))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(has_sdk)


@pytest.mark.parametrize("text", ["0s", "1s", "1m0s", "1m30s", "2h0m5s", "500ms", "1.5s", "250us"])
def test_durations_keep_the_canonical_notation(text: str) -> None:
    assert duration(nanoseconds(text)) == text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("busybox", ("busybox", "latest")),
        ("repo/image:1.2", ("repo/image", "1.2")),
        ("localhost:5000/image", ("localhost:5000/image", "latest")),
        ("localhost:5000/image:1@sha256:ab", ("localhost:5000/image", "sha256:ab")),
        ("image@sha256:ab", ("image", "sha256:ab")),
    ],
)
def test_a_reference_is_split_where_docker_splits_it(name: str, parts: tuple[str, str]) -> None:
    assert split_reference(name) == parts


def test_values_survive_the_wire() -> None:
    given = {
        "text": "x",
        "whole": 3,
        "part": 0.5,
        "flag": False,
        "list": [1, {"a": Secret("s")}],
        "later": UNKNOWN,
        "open": Secret(["a"]),
    }
    assert decode(encode(given)) == given


def test_a_secret_is_taken_out_of_a_message_whole_and_in_pieces() -> None:
    sent = {"envs": ["OPEN=visible", Secret("KEY=hidden1")], "uploads": [{"content": Secret("line one\nline two")}]}
    told = without_secrets("visible KEY=hidden1 hidden1 line two", sent)
    assert told == "visible [secret] [secret] [secret]"


def test_a_secret_hides_in_its_repr() -> None:
    assert "hidden" not in repr({"a": Secret("hidden")})


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ({"healthcheck": {"interval": "60s"}}, {"healthcheck": {"interval": "1m0s"}}, {}),
        ({"cpus": "0.5"}, {"cpus": "0.50"}, {}),
        (
            {"capabilities": {"adds": ["CAP_CHOWN"]}},
            {"capabilities": {"adds": ["CHOWN"]}},
            {"capabilities": Rule.REPLACE},
        ),
        (
            {"ports": [{"internal": 80, "external": 32768, "ip": "0.0.0.0", "protocol": "tcp"}]},
            {"ports": [{"internal": 80}]},
            {},
        ),
        (
            {"ports": [{"internal": 80, "external": 32768}]},
            {"ports": [{"internal": 80, "external": 80}]},
            {"ports": Rule.REPLACE},
        ),
        ({"memory": 64}, {"memory": 65}, {"memory": Rule.UPDATE}),
        ({"memory": 64}, {}, {"memory": Rule.REPLACE}),
        ({"wait": False}, {"wait": True}, {"wait": Rule.STATE}),
        ({"envs": ["A=1"]}, {"envs": ["A=1", UNKNOWN]}, {"envs": Rule.REPLACE}),
        ({"hostname": "chosen-by-docker"}, {}, {}),
        ({"uploads": [{"file": "/a", "content": "x"}]}, {"uploads": [{"file": "/a", "content": Secret("x")}]}, {}),
    ],
)
def test_a_change_is_one_of_meaning(old: dict[str, Any], new: dict[str, Any], rules: dict[str, Rule]) -> None:
    assert changes(Container(), BASE | old, BASE | new) == rules


def test_a_preview_points_at_the_element_that_changed() -> None:
    shape = Container.table["uploads"].shape
    old = [{"file": "/a", "content": "1"}, {"file": "/b", "content": Secret("2")}]
    new = [{"file": "/a", "content": "1"}, {"file": "/b", "content": Secret("3")}]
    assert list(places(shape, old, new, "uploads")) == ["uploads[1].content"]


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"image": "i"}, "name"),
        ({**BASE, "restart": "never"}, "restart"),
        ({**BASE, "memory": "64"}, "memory"),
        ({**BASE, "memory": True}, "memory"),
        ({**BASE, "ports": [{"external": 1}]}, "ports[0].internal"),
        ({**BASE, "uploads": [{"file": "/a", "content": Secret("")}]}, "uploads[0].content"),
        ({**BASE, "gpus": "device=0,1"}, "gpus"),
        ({**BASE, "domainname": "x"}, "domainname"),
        ({**BASE, "networkDatas": []}, "networkDatas"),
        ({**BASE, "mounts": [{"target": "/a", "type": "bind", "consistency": "x"}]}, "mounts[0].consistency"),
    ],
)
def test_every_mistake_is_found_with_its_path(inputs: dict[str, Any], path: str) -> None:
    assert [found for found, _ in check(Container(), inputs)[1]] == [path]


def test_a_stopped_container_reads_as_one_that_must_not_run() -> None:
    seen = {"Name": "/c", "Image": "i", "State": {"Running": False}, "Config": {"Image": "i"}, "HostConfig": {}}
    outputs = observed(Container(), seen, BASE | {"mustRun": True, "ports": [{"internal": 80}]})
    assert (outputs["mustRun"], outputs["ports"]) == (False, [])


def test_a_value_that_drifted_from_a_secret_is_a_secret() -> None:
    seen = {"Name": "/c", "State": {"Running": True}, "Config": {"Image": "i", "Cmd": ["new"]}, "HostConfig": {}}
    assert observed(Container(), seen, BASE | {"command": [Secret("old")]})["command"] == Secret(["new"])


def test_ssh_gets_the_options_before_the_host_and_no_shell() -> None:
    command = ssh_command(urlsplit("ssh://me@box:2222"), ["-i", "/key with space"])
    assert command[:3] == ["ssh", "-i", "/key with space"]
    assert command[command.index("-l") + 1] == "me"
    assert command[command.index("-p") + 1] == "2222"
    assert command[command.index("--") + 1 :] == ["box", "docker", "system", "dial-stdio"]


def test_the_installed_launcher_is_known_as_the_stand_in(tmp_path: Path) -> None:
    folder = install.install(tmp_path, Path("/venv/bin/python"))
    assert install.is_stand_in(folder)
    assert "/venv/bin/python" in (folder / install.BINARY).read_text()


def test_the_official_plugin_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / install.FOLDER
    folder.mkdir(parents=True)
    (folder / install.BINARY).write_text("official")
    assert install.install(tmp_path, Path("/venv/bin/python")) == folder
    assert not install.is_stand_in(folder)
    assert (folder / install.BINARY).read_text() == "official"


def test_a_mistake_in_the_stand_in_itself_reaches_the_user_without_a_traceback() -> None:
    told: list[str] = []

    def abort(_code: object, message: str) -> None:
        told.append(message)
        raise SystemExit

    def broken() -> None:
        raise KeyError("secret-in-a-key")

    context: Any = SimpleNamespace(abort=abort, is_active=lambda: True)
    with pytest.raises(SystemExit):
        provider._answered(context, broken, encode({}))
    assert "KeyError in broken" in told[0]
    assert "secret-in-a-key" not in told[0]
