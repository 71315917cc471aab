"""Silences at a real Alertmanager, by the program inside its container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from images import recipes
from infra.config.restart import Restart
from infra.services.base import Workload
from infra.targets.docker.gate import Quiet
from infra.targets.docker.silence import NotSilencedError, Silencer, silencer_of, socket_of
from tests.integration.stacks import docker

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]
CODER = Workload("coder", "vllm", "local", "image", ("x",), Restart(), start_timeout_s=600.0)


@pytest.fixture(scope="module")
def silencer() -> Iterator[Silencer]:
    program = ("/bin/alertmanager", "--config.file=/etc/alertmanager/alertmanager.yml", "--cluster.listen-address=")
    container = docker(
        "run", "-d", "--network", "none", recipes.reference("monitoring"), *program, "--storage.path=/tmp/a"
    )
    watcher = Workload(
        "alertmanager",
        "alertmanager",
        "local",
        "image",
        ("x",),
        Restart(),
        silencer=("/bin/amtool", "--alertmanager.url=http://127.0.0.1:9093"),
    )
    found = silencer_of([CODER, watcher], "local", container.replace("{", "{{"), socket_of("local"))
    assert found is not None
    try:
        for _ in range(50):
            if docker("exec", container, "wget", "-qO-", "http://127.0.0.1:9093/-/ready", check=False) == "OK":
                break
        yield found
    finally:
        docker("rm", "-f", "-v", container, check=False)


def test_a_deploy_silences_what_it_replaces_until_it_has_settled(silencer: Silencer) -> None:
    quiet = Quiet(CODER, silencer)
    quiet.begin()
    (begun,) = silencer.active()
    assert begun["matchers"] == [{"isEqual": True, "isRegex": False, "name": "instance", "value": "coder"}]
    assert (begun["createdBy"], begun["comment"]) == ("hearth", "deploy")
    quiet.end(120.0)
    (left,) = silencer.active()
    assert left["endsAt"] < begun["endsAt"]
    silencer.end([left["id"]])


def test_what_has_failed_is_told_at_once(silencer: Silencer) -> None:
    quiet = Quiet(CODER, silencer)
    quiet.begin()
    quiet.end(0.0)
    assert silencer.active() == []


def test_a_deploy_goes_on_where_nobody_takes_silences() -> None:
    absent = Silencer("hearth-test-absent", socket_of("local"), ("/bin/amtool",))
    with pytest.raises(NotSilencedError, match="hearth-test-absent"):
        absent.active()
    quiet = Quiet(CODER, absent)
    quiet.begin()
    quiet.end(120.0)


def test_what_the_program_refuses_is_told_in_its_words(silencer: Silencer) -> None:
    with pytest.raises(NotSilencedError, match="amtool"):
        silencer.end(["no-such-silence"])
