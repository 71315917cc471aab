"""One declaration over three Docker hosts that are reached by ssh: what crosses hosts, and what happens when one is gone."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from infra.config.inventory import Host
from infra.targets.docker.connection import Connection, UnreachableError
from tests.integration.docker_hosts import DockerHost
from tests.integration.engines import engine
from tests.integration.stacks import TestStack, ask, unwatched

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

FRONT_PORT: Final = 8080
CHAT: Final = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
HERE: Final = ("front", "gpu-1", "gpu-2")


def values(hosts: dict[str, DockerHost], **more: Any) -> dict[str, Any]:
    """A gateway and its front door on one host, one replica of a model on each of two others, exporters on all."""
    watched = {**unwatched(), "prometheus": {"expose": None}, "node_exporter": {}}
    return {
        "imageSource": "built",
        "inventory": {
            "hosts": {name: host.section() for name, host in hosts.items()},
            "groups": {"gpu": {"hosts": ["gpu-1", "gpu-2"]}},
        },
        "models": {"chat": engine(place="gpu", replicas=2, spread="host")},
        "engines": {"args": {"enforce-eager": True}},
        "ui": {"enabled": False},
        "edge": {"expose": FRONT_PORT, "expose_address": hosts["front"].address},
        "monitoring": watched,
        **more,
    }


@pytest.fixture(scope="module")
def stack(hosts: dict[str, DockerHost], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    made = TestStack.make(tmp_path_factory.mktemp("hosts"), values(hosts))
    try:
        made.bootstrap("up")
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def key(stack: TestStack) -> str:
    return str(stack.outputs()["masterKey"])


def chat(hosts: dict[str, DockerHost], key: str) -> int:
    return ask(f"http://{hosts['front'].address}:{FRONT_PORT}/v1/chat/completions", key=key, body=CHAT).status


def containers(host: DockerHost) -> dict[str, str]:
    """Return the ids of the host's containers by instance."""
    listed = host.docker("ps", "-a", "--no-trunc", "--format", '{{.Label "hearth.instance"}} {{.ID}}')
    return dict(line.split() for line in listed.splitlines())


def get(url: str, header: str = "") -> str:
    """Return a shell command that prints the status of an answer, or that there was none."""
    more = f"-H '{header}'" if header else ""
    return f"curl -s -o /dev/null -m 5 -w '%{{http_code}}' {more} {url} || true"


def connection(host: DockerHost) -> Connection:
    return Connection.to(host.name, Host.model_validate(host.section()))


def test_many_connections_at_once_get_through_an_sshd_with_its_defaults(hosts: dict[str, DockerHost]) -> None:
    def root_of(host: DockerHost) -> str:
        with connection(host).client() as client:
            return str(client.info()["DockerRootDir"])

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(root_of, [*hosts.values()] * 8))
    assert found == [str(host.folder / "docker") for host in hosts.values()] * 8


def test_a_host_that_is_another_than_the_known_one_is_refused(hosts: dict[str, DockerHost]) -> None:
    gpu = connection(hosts["gpu-1"])
    other = (hosts["gpu-2"].folder / "host_key.pub").read_text()
    (hosts["gpu-1"].folder / "wrong_hosts").write_text(f"{hosts['gpu-1'].address} {other}")
    options = (*gpu.ssh_options[:2], "-o", f"UserKnownHostsFile={hosts['gpu-1'].folder / 'wrong_hosts'}")
    wrong = Connection("gpu-1", gpu.address, (*options, "-o", "StrictHostKeyChecking=yes"))
    with pytest.raises(UnreachableError, match=r"gpu-1 \(ssh://.*Host key verification failed"), wrong.client():
        pass


def test_a_host_is_reached_through_another(hosts: dict[str, DockerHost]) -> None:
    front, gpu = hosts["front"], connection(hosts["gpu-1"])
    through = "ssh " + " ".join(front.ssh_options) + f" -W %h:%p root@{front.address}"
    jump = Connection("gpu-1", gpu.address, (*gpu.ssh_options, "-o", f"ProxyCommand={through}"))
    with jump.client() as client:
        assert client.info()["DockerRootDir"] == str(hosts["gpu-1"].folder / "docker")


def test_a_chat_is_answered_by_engines_of_other_hosts(stack: TestStack, hosts: dict[str, DockerHost], key: str) -> None:
    del stack
    assert [set(containers(hosts[name])) for name in HERE] == [
        {"litellm", "nginx", "prometheus", "node-exporter-front", "relay-front"},
        {"chat-0", "node-exporter-gpu-1", "relay-gpu-1"},
        {"chat-1", "node-exporter-gpu-2", "relay-gpu-2"},
    ]
    assert [chat(hosts, key) for _ in range(8)] == [200] * 8
    # Both replicas had a part of them.
    for name, instance in (("gpu-1", "chat-0"), ("gpu-2", "chat-1")):
        metrics = hosts[name].docker("exec", containers(hosts[name])[instance], "curl", "-s", "localhost:8000/metrics")
        (done,) = (line for line in metrics.splitlines() if "request_success_total{" in line and '"length"' in line)
        assert float(done.split()[-1]) > 0


def test_every_host_is_watched(stack: TestStack, hosts: dict[str, DockerHost]) -> None:
    del stack
    front = hosts["front"]
    asked = f"exec {containers(front)['prometheus']} wget -qO- http://127.0.0.1:9090/api/v1/query?query=up"
    deadline = time.monotonic() + 60
    while True:
        rows = json.loads(front.docker(*asked.split()))["data"]["result"]
        up = {row["metric"]["instance"]: row["value"][1] for row in rows}
        if set(up.values()) == {"1"} or time.monotonic() > deadline:
            break
        time.sleep(2)
    wanted = {"chat-0", "chat-1", "node-exporter-front", "node-exporter-gpu-1", "node-exporter-gpu-2", "litellm"}
    assert wanted <= {name for name, value in up.items() if value == "1"}
    hosts_of = {row["metric"]["instance"]: row["metric"]["host"] for row in rows}
    assert hosts_of["chat-0"] == hosts_of["node-exporter-gpu-1"] == "gpu-1"


def test_an_engine_is_open_to_the_gateways_host_alone_and_with_its_key(
    stack: TestStack, hosts: dict[str, DockerHost]
) -> None:
    del stack
    gpu = hosts["gpu-1"]
    listening = {line.split()[3] for line in gpu.run("ss -ltnH").splitlines()}
    assert listening == {f"{gpu.address}:22", f"{gpu.address}:9470"}
    door, engine_of = f"http://{gpu.address}:9470", "X-Hearth-To: chat:8000"
    # From the gateway's host it is the engine that says no, for want of its key; what isn't allowed the relay refuses.
    assert hosts["front"].run(get(f"{door}/v1/models", engine_of)) == "401"
    assert hosts["front"].run(get(f"{door}/v1/models", "X-Hearth-To: relay-gpu-1:9470")) == "403"
    assert hosts["front"].run(get(f"{door}/v1/models")) == "403"
    assert hosts["gpu-2"].run(get(f"{door}/v1/models", engine_of)) == "403"
    assert hosts["gpu-2"].run(get(f"http://{gpu.address}:8000/v1/models")) == "000"


def doctor(stack: TestStack, *more: str) -> tuple[int, dict[str, Any]]:
    ran = stack.run(["python", "-m", "infra", "doctor", "--stack", stack.name, "--json", *more], check=False)
    report: dict[str, Any] = json.loads(ran.stdout)
    return ran.returncode, report


def test_the_doctor_is_content_with_every_host_and_says_which_is_away(
    stack: TestStack, hosts: dict[str, DockerHost]
) -> None:
    code, report = doctor(stack)
    assert code == 0, report
    hosts["gpu-2"].cut()
    try:
        code, report = doctor(stack)
    finally:
        hosts["gpu-2"].heal()
    assert code == 1
    assert "gpu-2" in json.dumps(report)


def test_the_host_suite_is_green_over_ssh(stack: TestStack) -> None:
    ran = stack.run([sys.executable, "-m", "pytest", "tests/host", "--stack", stack.name, "-q"], check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def test_nothing_has_drifted_twice_in_a_row(stack: TestStack) -> None:
    for _ in range(2):
        assert stack.bootstrap("drift", check=False).returncode == 0


class Chatting(threading.Thread):
    """Somebody who asks all the time; `failed` are the statuses that weren't 200."""

    def __init__(self, hosts: dict[str, DockerHost], key: str) -> None:
        super().__init__(daemon=True)
        self._hosts, self._key = hosts, key
        self._ended = threading.Event()
        self.answered = 0
        self.failed: list[int] = []

    def run(self) -> None:
        while not self._ended.is_set():
            status = chat(self._hosts, self._key)
            self.answered += status == 200
            self.failed += [status] if status != 200 else []

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=200)


def test_an_image_is_changed_host_by_host_and_no_request_fails(
    stack: TestStack, hosts: dict[str, DockerHost], key: str
) -> None:
    before = [containers(hosts[name]) for name in HERE]
    reference = hosts["gpu-1"].docker("inspect", "--format", "{{.Config.Image}}", before[1]["chat-0"])
    image = hosts["gpu-1"].docker("inspect", "--format", "{{.Image}}", before[1]["chat-0"])
    # Another version as far as the daemon knows: a label is enough to make it another image.
    newer = f"hearth/vllm-cpu:test-{secrets.token_hex(3)}"
    for name in ("gpu-1", "gpu-2"):
        made = hosts[name].docker("create", "--label", f"test={newer}", image)
        hosts[name].docker("commit", made, newer)
        hosts[name].docker("rm", made)
    person = Chatting(hosts, key)
    person.start()
    try:
        stack.write(values(hosts, images={"vllm": newer}))
        stack.bootstrap("up")
    finally:
        person.end()
    after = [containers(hosts[name]) for name in HERE]
    assert person.failed == []
    assert person.answered > 10
    assert after[1]["chat-0"] != before[1]["chat-0"]
    assert after[2]["chat-1"] != before[2]["chat-1"]
    assert after[0] == before[0]
    started = [
        hosts[name].docker("inspect", "--format", "{{.Created}}", after[number][instance])
        for number, name, instance in ((1, "gpu-1", "chat-0"), (2, "gpu-2", "chat-1"))
    ]
    assert started == sorted(started)
    assert reference != newer


def exporter(environment: str) -> dict[str, Any]:
    """A change of something small on every host."""
    watched = {**unwatched(), "prometheus": {"expose": None}}
    return {"monitoring": {**watched, "node_exporter": {"environment": {"CHANGE": environment}}}}


def changed(hosts: dict[str, DockerHost], value: str) -> set[str]:
    """Return the hosts whose exporter has the change."""
    found = set()
    for name, host in hosts.items():
        shown = host.docker("inspect", "--format", "{{.Config.Env}}", containers(host)[f"node-exporter-{name}"])
        found |= {name} if f"CHANGE={value}" in shown else set()
    return found


def test_a_change_is_made_on_the_hosts_that_were_asked_for(stack: TestStack, hosts: dict[str, DockerHost]) -> None:
    images = {"images": stack_images(stack)}
    stack.write(values(hosts, **images, **exporter("one")))
    said = stack.bootstrap("up", "--hosts", "gpu,!gpu-2").stdout
    assert "front is left as it is" in said
    assert changed(hosts, "one") == {"gpu-1"}
    stack.bootstrap("up")
    assert changed(hosts, "one") == set(hosts)


def stack_images(stack: TestStack) -> dict[str, str]:
    """Return the images that the stack file names by now."""
    import yaml  # noqa: PLC0415

    written = yaml.safe_load(stack.file.read_text())["config"]
    return dict(written.get("hearth:images", {}))


def test_a_host_that_is_gone_is_told_in_one_line_and_the_others_are_changed(
    stack: TestStack, hosts: dict[str, DockerHost], key: str
) -> None:
    stack.write(values(hosts, images=stack_images(stack), **exporter("two")))
    hosts["gpu-2"].cut()
    try:
        ran = stack.bootstrap("up", check=False)
        assert ran.returncode == 1
        told = ran.stdout + ran.stderr
        assert told.count("gpu-2 can't be reached and is left as it is") == 1
        assert "is up but for gpu-2" in told
        assert "Traceback" not in told
        # The gateway still answers, with the replica that is left.
        assert [chat(hosts, key) for _ in range(4)] == [200] * 4
    finally:
        hosts["gpu-2"].heal()
    assert changed(hosts, "two") == {"front", "gpu-1"}
    stack.bootstrap("up")
    assert changed(hosts, "two") == set(hosts)
    assert stack.bootstrap("drift", check=False).returncode == 0


def test_a_host_that_is_lost_in_the_middle_fails_alone_and_heals(
    stack: TestStack, hosts: dict[str, DockerHost]
) -> None:
    """It answers when the deployment begins, and is gone when its own turn comes."""
    stack.write(values(hosts, images=stack_images(stack), **exporter("three")))
    lines = []
    with stack.start("up") as running:
        assert running.stdout is not None
        try:
            for line in running.stdout:
                lines.append(line)
                if "Updating (" in line:
                    hosts["gpu-2"].cut()
            assert running.wait(timeout=300) == 1
        finally:
            hosts["gpu-2"].heal()
    told = "".join(lines)
    assert "Traceback" not in told
    assert "gpu-2" in told
    assert changed(hosts, "three") >= {"front", "gpu-1"}
    stack.bootstrap("up")
    assert changed(hosts, "three") == set(hosts)
    assert stack.bootstrap("drift", check=False).returncode == 0
