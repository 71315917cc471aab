"""What changes when something changes: the engine's promises on the real local stack."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from tests.integration.stacks import ROOT, TestStack, ask, docker
from tests.integration.test_1_chat import WebUi, chat

pytestmark = pytest.mark.integration
DRIFT = 7


def drift(stack: TestStack) -> int:
    return stack.pulumi("preview", "--refresh", "--expect-no-changes", check=False).returncode


def test_a_second_preview_is_empty(local_stack: TestStack) -> None:
    assert local_stack.pulumi("preview", "--expect-no-changes").returncode == 0


def test_a_fresh_stack_has_no_drift_twice_in_a_row(local_stack: TestStack) -> None:
    assert [drift(local_stack), drift(local_stack)] == [0, 0]


def test_a_second_up_changes_nothing(local_stack: TestStack) -> None:
    before = local_stack.containers()
    local_stack.bootstrap("up")
    assert local_stack.containers() == before


def test_no_secret_can_be_read_where_it_should_not(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    secrets = [
        local_stack.pulumi("config", "get", f"hearth:{name}").stdout.strip()
        for name in ("gatewayMasterKey", "engineKey", "uiSecretKey", "uiAdminPassword")
    ]
    assert outputs["masterKey"] == secrets[0]
    preview = local_stack.pulumi("preview", "--diff", "--show-sames")
    containers = local_stack.containers().values()
    texts = {
        "state": local_stack.state(),
        "preview": preview.stdout + preview.stderr,
        "docker inspect": docker("inspect", *containers),
        "docker top": "".join(docker("top", container, "-o", "pid,args") for container in containers),
        "logs": "".join(docker("logs", container) for container in containers),
        "stack file": local_stack.file.read_text(),
    }
    for where, text in texts.items():
        assert text
        assert not [secret for secret in secrets if secret in text], where


def test_a_changed_setting_replaces_exactly_that_engine(local_stack: TestStack) -> None:
    before = local_stack.containers()
    values = {
        key.partition(":")[2]: value
        for key, value in yaml.safe_load(local_stack.file.read_text())["config"].items()
        if key.startswith("hearth:") and not (isinstance(value, dict) and "secure" in value)
    }
    changed = values | {"models": {"tiny-coder": {"max_sequences": 4}}}
    local_stack.write(changed)
    try:
        local_stack.bootstrap("up")
        after = local_stack.containers()
        assert {name for name in before if before[name] != after[name]} == {"tiny-coder"}
        processes = docker("top", after["tiny-coder"], "-o", "pid,args").splitlines()
        assert any("vllm serve" in line and "--max-num-seqs 4" in line for line in processes)
    finally:
        local_stack.write(values)
    assert chat(local_stack.outputs(), "tiny-coder").status == 200


@pytest.mark.parametrize("by_hand", [("rm", "-f"), ("stop", "-t", "1")])
def test_what_was_done_by_hand_is_drift_and_is_repaired(local_stack: TestStack, by_hand: tuple[str, ...]) -> None:
    local_stack.bootstrap("up")
    assert drift(local_stack) == 0
    docker(*by_hand, local_stack.containers()["alertmanager"])
    assert drift(local_stack) == DRIFT
    local_stack.bootstrap("up")
    assert drift(local_stack) == 0
    assert docker("inspect", "--format", "{{.State.Running}}", local_stack.containers()["alertmanager"]) == "true"


def test_a_replaced_engine_is_found_by_the_front_door_again(local_stack: TestStack) -> None:
    """A new container has a new address: nothing in front of it may remember the old one."""
    docker("rm", "-f", local_stack.containers()["tiny-coder"])
    local_stack.bootstrap("up")
    assert chat(local_stack.outputs(), "tiny-coder").status == 200


def test_one_dead_replica_is_not_noticed(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    docker("stop", "-t", "1", local_stack.containers()["tiny-chat-1"])
    try:
        time.sleep(6)
        assert {chat(outputs, "tiny-chat", f"n {number}").status for number in range(6)} == {200}
    finally:
        local_stack.bootstrap("up")


def test_down_keeps_data_and_up_finds_it_again(local_stack: TestStack) -> None:
    found = local_stack.outputs()
    account = ("kept@example.com", "a-password-that-is-kept")
    WebUi(found["frontDoorUrl"], *account, sign_up=True)
    volumes = local_stack.named("volume")
    assert volumes
    local_stack.bootstrap("down")
    assert local_stack.containers() == {}
    assert local_stack.named("network") == []
    assert local_stack.named("volume") == volumes
    local_stack.bootstrap("up")
    WebUi(local_stack.outputs()["frontDoorUrl"], *account, sign_up=False)


def test_a_taken_port_is_an_error_before_anything_is_created(local_stack: TestStack, tmp_path: Any) -> None:
    port = int(local_stack.outputs()["frontDoorUrl"].rpartition(":")[2])
    other = TestStack.make(tmp_path, {"extends": "local", "edge": {"expose": port}})
    try:
        refused = other.bootstrap("up", check=False)
        assert refused.returncode != 0
        assert f"port {port} of 127.0.0.1 is taken" in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
        assert other.containers() == {}
        assert other.named("network") == []
    finally:
        other.remove()


def test_the_root_of_the_checkout_is_where_the_tests_think(local_stack: TestStack) -> None:
    assert local_stack.file.parent == ROOT
    assert ask(local_stack.outputs()["frontDoorUrl"] + "/healthz").body == "ok\n"
