"""`wait` waits for health, and says why it never came."""

from __future__ import annotations

import time

import pytest

from tests.integration.plugin.stack import Resource, Stack, container, inspect

pytestmark = pytest.mark.integration

CHECK = {"interval": "1s", "timeout": "1s", "retries": 2}


def waiting(stack: Stack, script: str, test: str = "test -e /ready", timeout_s: int = 30) -> Resource:
    health = {"tests": ["CMD-SHELL", test], **CHECK}
    return container(
        "c", stack.name("c"), command=["sh", "-c", script], healthcheck=health, wait=True, wait_timeout=timeout_s
    )


def test_up_waits_until_the_container_is_healthy(stack: Stack) -> None:
    stack.declare(waiting(stack, "sleep 2; touch /ready; sleep 3600"))
    stack.up().check()
    assert inspect(stack.name("c"))["State"]["Health"]["Status"] == "healthy"


def test_up_fails_when_health_does_not_come_in_time(stack: Stack) -> None:
    stack.declare(waiting(stack, "sleep 3600", timeout_s=3))
    assert stack.up().code != 0


def test_a_container_that_failed_to_become_healthy_is_replaced_by_a_better_one(stack: Stack) -> None:
    stack.declare(waiting(stack, "exit 3", timeout_s=3))
    assert stack.up().code != 0
    stack.declare(waiting(stack, "touch /ready; sleep 3600"))
    stack.up().check()
    assert inspect(stack.name("c"))["State"]["Health"]["Status"] == "healthy"


def test_waiting_without_a_health_check_is_an_error(stack: Stack) -> None:
    stack.declare(container("c", stack.name("c"), wait=True))
    ran = stack.up()
    assert ran.code != 0
    assert "healthcheck" in ran.said


def test_the_stand_in_fails_at_once_with_exit_code_and_last_words(stand_in: None, stack: Stack) -> None:
    del stand_in
    stack.declare(waiting(stack, "echo could not bind the port; exit 3", timeout_s=120))
    began = time.monotonic()
    ran = stack.up()
    assert ran.code != 0
    assert "exited with code 3" in ran.said
    assert "could not bind the port" in ran.said
    assert time.monotonic() - began < 30


def test_the_stand_in_tells_what_the_last_health_check_said(stand_in: None, stack: Stack) -> None:
    del stand_in
    stack.declare(waiting(stack, "sleep 3600", test="echo no model loaded; exit 1", timeout_s=4))
    assert "no model loaded" in stack.up().said


def test_the_stand_in_starts_and_awaits_a_failed_container_again(stand_in: None, stack: Stack) -> None:
    del stand_in
    stack.declare(waiting(stack, "test -e /tried && touch /ready && sleep 3600; touch /tried; exit 1"))
    assert stack.up().code != 0
    stack.up().check()
    assert inspect(stack.name("c"))["State"]["Health"]["Status"] == "healthy"
