"""The provider: a daemon over ssh, one that can't be reached, and what the stand-in refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.plugin.stack import Stack, container, docker, image, inspect

pytestmark = pytest.mark.integration

NOBODY = "ssh://nobody@127.0.0.1:1"


@pytest.fixture
def ssh_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that notes its arguments and runs what it was to run over there right here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "ssh"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/calls\nexec docker system dial-stdio\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{Path(shutil.which('docker') or '').parent}:/usr/bin:/bin", prepend=":")
    return folder / "calls"


def test_a_daemon_over_ssh_is_used_with_the_given_options(ssh_calls: Path, stack: Stack) -> None:
    stack.provider = {"host": "ssh://someone@gpu-box:2222", "ssh_opts": ["-o", "IdentityFile=/keys/one"]}
    stack.declare(container("c", stack.name("c"), uploads=[{"file": "/etc/big", "content": "x" * 300_000}]))
    stack.up().check()
    assert inspect(stack.name("c"))["State"]["Running"]
    assert docker("exec", stack.name("c"), "stat", "-c", "%s", "/etc/big") == "300000"
    assert stack.drift().code == 0
    for call in ssh_calls.read_text().splitlines():
        assert "-o IdentityFile=/keys/one" in call
        assert "2222" in call
        assert "someone" in call
        assert "gpu-box" in call


def test_a_stack_for_a_host_out_of_reach_can_be_previewed(stack: Stack) -> None:
    stack.provider = {"host": NOBODY, "disable_docker_daemon_check": True}
    stack.declare(image("img", "some/image:1"), container("c", stack.name("c"), image={"$output": "img.image_id"}))
    assert stack.preview().operations["c"] == "create"


def test_without_that_option_a_host_out_of_reach_is_an_error_that_names_it(stack: Stack) -> None:
    stack.provider = {"host": NOBODY, "ssh_opts": ["-o", "ConnectTimeout=2"]}
    stack.declare(container("c", stack.name("c")))
    ran = stack.up()
    assert ran.code != 0
    assert "127.0.0.1" in ran.said
    assert "Traceback" not in ran.said


@pytest.mark.parametrize("given", [{"cgroup_parent": "/x"}, {"userns_mode": "host"}, {"ports": [{"internal": "http"}]}])
def test_the_stand_in_refuses_what_it_does_not_implement_before_anything_is_done(
    stand_in: None, stack: Stack, given: dict[str, object]
) -> None:
    del stand_in
    stack.declare(container("c", stack.name("c"), **given))
    planned = stack.preview()
    assert planned.code not in {0, 7}
    assert "Traceback" not in planned.text
    if "ports" not in given:
        assert "pulumi plugin install resource docker" in planned.text


def test_the_stand_in_refuses_settings_that_it_does_not_implement(stand_in: None, stack: Stack) -> None:
    del stand_in
    stack.provider = {"context": "remote"}
    stack.declare()
    assert "pulumi plugin install resource docker" in stack.preview().text


def test_the_stand_in_says_that_it_is_in_use_once_and_not_in_previews(stand_in: None, stack: Stack) -> None:
    del stand_in
    stack.declare(container("c", stack.name("c")))
    assert "stand-in" not in stack.run("preview", "--stack", "t").said
    assert "stand-in" in stack.up().check().said
