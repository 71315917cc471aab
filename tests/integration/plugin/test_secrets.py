"""A secret is in the container and nowhere else: not in the state, a preview, the log of an update or an error."""

from __future__ import annotations

import pytest

from tests.integration.plugin.stack import Stack, container, docker

pytestmark = pytest.mark.integration

ENV, FILE = "never-show-this-env", "never-show-this-file"


@pytest.fixture(scope="module")
def told(shared_stack: Stack) -> dict[str, str]:
    """Everything that is written on the way of two secrets into a container, by where it was written."""
    inputs = {
        "envs": ["OPEN=1", {"$secret": f"KEY={ENV}"}],
        "uploads": [{"file": "/etc/open", "content": "open"}, {"file": "/etc/key", "content": {"$secret": FILE}}],
    }
    shared_stack.declare(
        container("c", shared_stack.name("c"), **inputs), envs={"$output": "c.envs"}, files={"$output": "c.uploads"}
    )
    told = {
        "the first preview": shared_stack.run("preview", "--diff", "--stack", "t").said,
        "the update": shared_stack.up().check().said,
    }
    shared_stack.declare(container("c", shared_stack.name("c"), **inputs, labels=[{"label": "new", "value": "1"}]))
    told["a preview of a replacement"] = shared_stack.run("preview", "--diff", "--stack", "t").said
    told["a preview in JSON"] = shared_stack.run("preview", "--json", "--stack", "t").said
    told["a check for drift"] = shared_stack.drift().text
    told["the outputs"] = shared_stack.run("stack", "output", "--json", "--stack", "t").check().said
    told["the state"] = shared_stack.state()
    return told


WHERE = [
    "the first preview",
    "the update",
    "a preview of a replacement",
    "a preview in JSON",
    "a check for drift",
    "the outputs",
    "the state",
]


@pytest.mark.parametrize("where", WHERE)
def test_no_secret_is_written(told: dict[str, str], where: str) -> None:
    assert told[where]
    assert ENV not in told[where]
    assert FILE not in told[where]


def test_the_container_has_the_secrets(told: dict[str, str], shared_stack: Stack) -> None:
    assert told
    assert docker("exec", shared_stack.name("c"), "sh", "-c", "echo $KEY; cat /etc/key") == f"{ENV}\n{FILE}"


def test_an_error_shows_no_secret(stack: Stack) -> None:
    stack.declare(
        container(
            "c", stack.name("c"), entrypoints=["/no/such/program"], command=[{"$secret": ENV}], envs=[{"$secret": ENV}]
        )
    )
    ran = stack.up()
    assert ran.code != 0
    assert ENV not in ran.said


def test_a_container_that_prints_its_secret_and_dies_does_not_leak_it(stack: Stack) -> None:
    health = {"tests": ["CMD", "true"], "interval": "1s", "retries": 1}
    inputs = {
        "envs": [{"$secret": f"KEY={ENV}"}],
        "command": ["sh", "-c", "echo my key is ${KEY#KEY=}; exit 3"],
        "healthcheck": health,
    }
    stack.declare(container("c", stack.name("c"), **inputs, wait=True, wait_timeout=5))
    ran = stack.up()
    assert ran.code != 0
    assert ENV not in ran.said
