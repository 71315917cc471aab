"""What people do by hand on a running stack, all at once: each is found, all of it is repaired, and nothing else is told."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import docker as docker_sdk
import pytest

from bootstrap.stack import DRIFT
from tests.integration.stacks import TestStack, docker

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

STRANGER_IMAGE: Final = "node-exporter"


def drift(stack: TestStack, *more: str) -> tuple[int, dict[str, Any]]:
    ran = stack.run(["python", "-m", "infra", "drift", "--stack", stack.name, "--json", *more], check=False)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def told(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["what"], one["aspect"]) for one in report["differences"]}


def name(stack: TestStack, instance: str) -> str:
    return f"hearth-{stack.name}-{instance}"


def test_a_fresh_stack_differs_in_nothing_twice_in_a_row(local_stack: TestStack) -> None:
    local_stack.bootstrap("up")
    for _ in range(2):
        code, report = drift(local_stack)
        assert (code, report["differences"], report["problems"]) == (0, [], {})
    assert report["uncompared"] == []


def recreated(stack: TestStack, instance: str) -> None:
    """Make a container anew as somebody does who has copied its command line and added to it."""
    client = docker_sdk.from_env()
    try:
        old = client.containers.get(name(stack, instance))
        config, host = old.attrs["Config"], old.attrs["HostConfig"]
        old.remove(force=True)
        labels = {**config["Labels"], "hearth.service": "mine"}
        client.containers.run(
            config["Image"],
            [*config["Cmd"], "--log.level=debug"],
            entrypoint=config["Entrypoint"],
            name=name(stack, instance),
            environment=[*config["Env"], "MY_TOKEN=very secret"],
            labels=labels,
            network=f"hearth-{stack.name}",
            ports={"9115/tcp": ("127.0.0.1", None)},
            volumes=["/tmp:/mine"],
            privileged=True,
            restart_policy=host["RestartPolicy"],
            detach=True,
        )
    finally:
        client.close()


@contextmanager
def another_image_behind_the_tag(stack: TestStack, instance: str) -> Iterator[None]:
    """The tag gets another image, as after a pull; the container goes on with the one it has."""
    image = docker("inspect", "--format", "{{.Image}}", name(stack, instance))
    reference = docker("inspect", "--format", '{{index .Config.Labels "hearth.image"}}', name(stack, instance))
    made = docker("create", "--label", f"test={stack.name}", image)
    other = docker("commit", made, reference)
    docker("rm", made)
    try:
        yield
    finally:
        docker("tag", image, reference)
        docker("rmi", other, check=False)


def in_programs(stack: TestStack) -> None:
    """Change what programs have in effect, and leave the files that say otherwise."""
    file, kept = "/etc/litellm/config.yaml", "/tmp/kept"
    docker("exec", name(stack, "litellm"), "sh", "-c", f"cp {file} {kept}; sed -i s,/engines/tiny-chat/,/mine/, {file}")
    docker("restart", "-t", "2", name(stack, "litellm"))
    docker("exec", name(stack, "open-webui"), "python3", "-c", SET_DEFAULT_MODEL)
    file = "/etc/prometheus/prometheus.yml"
    reload = f"cp {file} {kept}; sed -i 's/env: .*/env: mine/' {file}; kill -HUP $(pidof prometheus)"
    docker("exec", "-u", "0", name(stack, "prometheus"), "sh", "-c", f"{reload}; sleep 3; cp {kept} {file}")
    deadline = time.monotonic() + 120
    health = ("inspect", "--format", "{{.State.Health.Status}}", name(stack, "litellm"))
    while docker(*health) != "healthy" and time.monotonic() < deadline:
        time.sleep(1)
    docker("exec", name(stack, "litellm"), "cp", kept, "/etc/litellm/config.yaml")


# What an admin does in the page.
SET_DEFAULT_MODEL: Final = """
import json, os, urllib.request
def ask(path, body=None, token=""):
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}
    data = json.dumps(body).encode() if body is not None else None
    return json.load(urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8080" + path, data, headers)))
password = open("/run/secrets/hearth/WEBUI_ADMIN_PASSWORD").read().strip()
token = ask("/api/v1/auths/signin", {"email": os.environ["WEBUI_ADMIN_EMAIL"], "password": password})["token"]
models = ask("/api/v1/configs/models", token=token)
ask("/api/v1/configs/models", {**models, "DEFAULT_MODELS": "tiny-coder"}, token)
"""


def by_hand(stack: TestStack) -> None:
    """Do to the stack what each of the tests' kinds of drift is made of, but for the image behind a tag."""
    in_programs(stack)
    docker("update", "--cpus", "1.5", "--pids-limit", "5000", name(stack, "nginx"))
    docker("stop", "-t", "1", name(stack, "node-exporter"))
    docker("pause", name(stack, "nginx-exporter"))
    docker("update", "--restart", "no", "--memory", "900m", "--memory-swap", "900m", name(stack, "alertmanager"))
    docker("network", "disconnect", f"hearth-{stack.name}", name(stack, "open-webui"))
    docker("network", "disconnect", f"hearth-{stack.name}", name(stack, "tiny-chat-0"))
    docker("network", "connect", f"hearth-{stack.name}", name(stack, "tiny-chat-0"))
    docker("network", "create", "--label", f"hearth.stack={stack.name}", name(stack, "mine"))
    docker("network", "connect", name(stack, "mine"), name(stack, "litellm"))
    docker("exec", name(stack, "litellm"), "sh", "-c", "echo '# mine' >> /etc/litellm/config.yaml")
    docker("exec", name(stack, "litellm"), "sh", "-c", "echo other > /run/secrets/hearth/ENGINE_KEY")
    docker("exec", "-u", "0", name(stack, "prometheus"), "rm", "/etc/prometheus/rules/hearth.yml")
    recreated(stack, "blackbox-exporter")
    edit = 's/"--port"/"--max-logprobs","7","--port"/'
    docker("exec", name(stack, "tiny-coder"), "sed", "-i", edit, "/etc/hearth/engine.json")
    docker("restart", name(stack, "tiny-coder"))
    image = docker("inspect", "--format", "{{.Image}}", name(stack, "node-exporter"))
    for label, network, called in (
        (f"hearth.stack={stack.name}", "none", f"{stack.name}-labelled"),
        ("x=y", f"hearth-{stack.name}", f"{stack.name}-on-the-network"),
        ("x=y", "none", name(stack, "named")),
    ):
        docker("run", "-d", "--label", label, "--network", network, "--name", called, image, "sleep", "600")
    docker("rename", name(stack, "tiny-chat-1"), name(stack, "renamed"))


FOUND: Final = {
    ("litellm", "model tiny-chat"),
    ("open-webui", "setting DEFAULT_MODELS"),
    ("prometheus", "configuration in effect"),
    ("nginx", "cores"),
    ("nginx", "process limit"),
    ("node-exporter", "state"),
    ("nginx-exporter", "state"),
    ("alertmanager", "restart policy"),
    ("alertmanager", "memory limit"),
    ("litellm", "file /etc/litellm/config.yaml"),
    ("litellm", "file /run/secrets/hearth/ENGINE_KEY"),
    ("prometheus", "file /etc/prometheus/rules/hearth.yml"),
    ("blackbox-exporter", "container"),
    ("blackbox-exporter", "environment MY_TOKEN"),
    ("blackbox-exporter", "label hearth.service"),
    ("blackbox-exporter", "command"),
    ("blackbox-exporter", "published ports"),
    ("blackbox-exporter", "mount /mine"),
    ("blackbox-exporter", "privileges"),
    ("blackbox-exporter", "file /etc/blackbox_exporter/config.yml"),
    ("tiny-coder", "file /etc/hearth/engine.json"),
    ("tiny-coder", "engine flags in effect"),
    ("tiny-chat-1", "container"),
}


def expected(stack: TestStack) -> set[tuple[str, str]]:
    network = f"network hearth-{stack.name}"
    more = {
        ("open-webui", network),
        ("tiny-chat-0", network),
        ("litellm", f"network {name(stack, 'mine')}"),
        (f"{stack.name}-labelled", "container"),
        (f"{stack.name}-on-the-network", "container"),
        (name(stack, "named"), "container"),
        (name(stack, "renamed"), "container"),
        ("nginx", "image"),
    }
    return FOUND | more


def test_what_is_done_by_hand_is_found_kind_by_kind_and_repaired(local_stack: TestStack) -> None:
    stack = local_stack
    by_hand(stack)
    try:
        with another_image_behind_the_tag(stack, "nginx"):
            code, report = drift(stack)
        assert (code, report["problems"]) == (DRIFT, {})
        assert expected(stack) - told(report) == set()
        # Nothing is told of what nobody touched.
        touched = {what for what, _ in expected(stack)}
        assert {one["what"] for one in report["differences"]} - touched == set()
        assert "very secret" not in json.dumps(report)
        text = stack.run(
            ["python", "-m", "infra", "drift", "--stack", stack.name, "--explain", "--no-engine"], check=False
        )
        assert text.returncode == DRIFT
        assert "wins at the next up: what runs" in text.stdout
        assert "--replace 'urn:pulumi:" in text.stdout
    finally:
        for called in (f"{stack.name}-labelled", f"{stack.name}-on-the-network", name(stack, "named")):
            docker("rm", "-f", called, check=False)
        docker("rm", "-f", name(stack, "renamed"), check=False)
    repaired = stack.bootstrap("repair", check=False)
    docker("network", "rm", name(stack, "mine"), check=False)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "0 are left" in repaired.stdout
    assert drift(stack)[0] == 0


def test_a_host_that_cannot_be_asked_is_no_clean_report(local_stack: TestStack) -> None:
    argv = ["python", "-m", "infra", "drift", "--stack", local_stack.name, "--json"]
    environment = {**local_stack.environment, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    # The engine goes by the address in its state, and answers.
    assert set(json.loads(ran.stdout)["problems"]) == {"local"}


def test_without_the_passphrase_secrets_are_said_not_to_be_compared(local_stack: TestStack) -> None:
    argv = ["python", "-m", "infra", "drift", "--stack", local_stack.name, "--json", "--no-engine"]
    environment = {**local_stack.environment, "PULUMI_CONFIG_PASSPHRASE_FILE": "", "PULUMI_CONFIG_PASSPHRASE": "no"}
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["uncompared"] == ["values of secrets: the stack's passphrase isn't at hand"]
