"""A real Alertmanager with the rendered routes: who is told, who is not, and that no secret is in what can be read."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from images import recipes
from infra.config.load import Written
from infra.pipeline import build
from infra.services.base import Workload
from infra.targets.docker.mapping import Names, container, secret_uploads
from tests.integration.stacks import ask, docker
from tests.ports import free_ports
from tests.tools import daemon_answers, has_image, require

pytestmark = pytest.mark.integration

IMAGE = recipes.reference("monitoring")
SECRET = "never-show-this-address"
WITHIN_S = 20.0


@dataclass
class Inbox:
    """A server that keeps what is posted to it, by path."""

    port: int
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, path: str) -> list[dict[str, Any]]:
        return [body for at, body in list(self.posted) if at == path]

    def statuses(self, path: str, alert: str) -> set[str]:
        """In which states people have heard of an alert."""
        return {
            one["status"] for body in self.of(path) for one in body["alerts"] if one["labels"]["alertname"] == alert
        }


@dataclass
class Router:
    """A running Alertmanager."""

    id: str
    url: str
    inbox: Inbox
    workload: Workload

    def post(self, labels: Mapping[str, str], *, ended: bool = False) -> None:
        """Tell it of an alert as Prometheus does."""
        now = datetime.now(UTC)
        alert = {
            "labels": dict(labels),
            "startsAt": (now - timedelta(minutes=5)).isoformat(),
            "endsAt": (now - timedelta(seconds=1) if ended else now + timedelta(minutes=10)).isoformat(),
        }
        answer = ask(f"{self.url}/api/v2/alerts", body=[alert])
        assert answer.status == 200, answer.body

    def inhibited(self, **labels: str) -> list[str]:
        """What silences the one alert with these labels; its own names say what that is."""
        alerts = ask(f"{self.url}/api/v2/alerts").json()
        names = {alert["fingerprint"]: alert["labels"]["alertname"] for alert in alerts}
        (found,) = (alert for alert in alerts if labels.items() <= alert["labels"].items())
        return sorted(names[by] for by in found["status"]["inhibitedBy"])


def soon(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.2)
    return is_so()


def is_ready(url: str) -> bool:
    try:
        return ask(f"{url}/-/ready").status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    (port,) = free_ports(1)
    made = Inbox(port)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posted.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own word
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def declared(inbox: Inbox) -> Workload:
    here = f"http://127.0.0.1:{inbox.port}"
    settings = {
        "webhook_url": f"{here}/people",
        "dead_mans_switch_url": f"{here}/alive",
        "slack": {"channel": "#llm", "severities": ["critical"]},
        "group_wait": "1s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    values = {
        "imageSource": "built",
        "models": {"a": {"source": "synthetic", "device": "cpu"}},
        "monitoring": {"alertmanager": settings},
    }
    built, _ = build(Written(values, {}), "routes", [])
    assert built is not None
    (found,) = (workload for workload in built.workloads if workload.service == "alertmanager")
    return found


def packed(workload: Workload, secrets: dict[str, str]) -> bytes:
    """The container's files as the docker target uploads them: root's, with its permissions."""
    files = [(file.path, file.content, 0o644) for file in workload.files]
    files += [(path, secrets[secret.name], 0o444) for path, secret in secret_uploads(workload).items()]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content, mode in files:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content.encode()), mode
            tar.addfile(entry, io.BytesIO(content.encode()))
    return archive.getvalue()


@pytest.fixture(scope="module")
def router(inbox: Inbox) -> Iterator[Router]:
    require(daemon_answers(), "no Docker daemon answers: run `make test`, or start it")
    require(has_image(IMAGE), f"the image {IMAGE} is not there: run `make images`")
    workload = declared(inbox)
    made = container(workload, Names("hearth-test", "routes"), Path("/"))
    (port,) = free_ports(1)
    # On the machine's own network, so that it reaches the test's server and both are on loopback alone.
    command = [*made["command"], f"--web.listen-address=127.0.0.1:{port}"]
    (entry,) = made["entrypoints"]
    identity = docker("create", "--network", "host", "--entrypoint", entry, workload.image, *command)
    try:
        secrets = {"slackWebhookUrl": f"http://127.0.0.1:{inbox.port}/{SECRET}\n"}
        subprocess.run(["docker", "cp", "-", f"{identity}:/"], input=packed(workload, secrets), check=True, timeout=60)
        docker("start", identity)
        url = f"http://127.0.0.1:{port}"
        assert soon(lambda: is_ready(url)), docker("logs", identity)
        yield Router(identity, url, inbox, workload)
    finally:
        docker("rm", "-f", "-v", identity)


def test_people_hear_of_an_alert_and_of_its_end(router: Router) -> None:
    alert = {"alertname": "MemoryLow", "severity": "warning", "instance": "told"}
    router.post(alert)
    assert soon(lambda: router.inbox.statuses("/people", "MemoryLow") == {"firing"})
    router.post(alert, ended=True)
    assert soon(lambda: router.inbox.statuses("/people", "MemoryLow") == {"firing", "resolved"})
    # Slack is told of critical ones alone.
    assert not [body for body in router.inbox.of(f"/{SECRET}") if "MemoryLow" in str(body)]


def test_a_critical_alert_reaches_slack_by_an_address_that_is_a_file(router: Router) -> None:
    router.post({"alertname": "GatewayErrors", "severity": "critical"})
    assert soon(lambda: any("GatewayErrors" in str(body) for body in router.inbox.of(f"/{SECRET}")))
    assert {body["channel"] for body in router.inbox.of(f"/{SECRET}")} == {"#llm"}


def test_the_sign_of_life_reaches_the_dead_mans_switch_alone(router: Router) -> None:
    router.post({"alertname": "Watchdog", "severity": "none"})
    assert soon(lambda: router.inbox.statuses("/alive", "Watchdog") == {"firing"})
    # Long enough for a message to people, had it gone to them.
    time.sleep(4)
    assert router.inbox.statuses("/people", "Watchdog") == set()
    assert {one["labels"]["alertname"] for body in router.inbox.of("/alive") for one in body["alerts"]} == {"Watchdog"}


Labels = dict[str, str]
# What fires, what it must silence, and what it must leave alone.
SILENCES: dict[str, tuple[Labels, Labels, Labels]] = {
    "a host that is gone silences all that is gone with it": (
        {"alertname": "HostDown", "severity": "critical", "host": "h1", "instance": "node-1"},
        {"alertname": "EngineDown", "severity": "critical", "host": "h1", "instance": "on-h1"},
        {"alertname": "EngineDown", "severity": "critical", "host": "h2", "instance": "on-h2"},
    ),
    "and no other host that is gone": (
        {"alertname": "HostDown", "severity": "critical", "host": "h3", "instance": "node-3"},
        {"alertname": "MemoryLow", "severity": "critical", "host": "h3", "instance": "node-3"},
        {"alertname": "HostDown", "severity": "critical", "host": "h3", "instance": "node-3b"},
    ),
    "an engine that is down is not slow as well": (
        {"alertname": "EngineDown", "severity": "critical", "instance": "e1"},
        {"alertname": "FirstTokenLate", "severity": "warning", "instance": "e1"},
        {"alertname": "EngineStalled", "severity": "critical", "instance": "e1"},
    ),
    "an engine without a name silences nothing": (
        {"alertname": "EngineDown", "severity": "critical", "model_name": "m9"},
        {"alertname": "EngineDown", "severity": "warning", "model_name": "m9"},
        {"alertname": "EngineQueueGrowing", "severity": "warning", "model_name": "m9"},
    ),
    "an engine that is out of starts is one alert": (
        {"alertname": "EngineFailed", "severity": "critical", "instance": "e2"},
        {"alertname": "EngineCrashLooping", "severity": "critical", "instance": "e2"},
        {"alertname": "EngineCrashLooping", "severity": "critical", "instance": "e3"},
    ),
    "its restarts too": (
        {"alertname": "EngineFailed", "severity": "critical", "instance": "e4"},
        {"alertname": "EngineRestarted", "severity": "warning", "instance": "e4"},
        {"alertname": "EngineStalled", "severity": "critical", "instance": "e4"},
    ),
    "and that it is down": (
        {"alertname": "EngineFailed", "severity": "critical", "instance": "e6"},
        {"alertname": "EngineDown", "severity": "critical", "instance": "e6"},
        {"alertname": "EngineDown", "severity": "critical", "instance": "e7"},
    ),
    "a target that does not answer is not slow as well": (
        {"alertname": "TargetDown", "severity": "warning", "instance": "t1", "job": "litellm"},
        {"alertname": "PrometheusConfigBroken", "severity": "warning", "instance": "t1"},
        {"alertname": "TargetDown", "severity": "warning", "instance": "t1", "job": "cadvisor"},
    ),
    "what is critical is no warning too": (
        {"alertname": "KvFull", "severity": "critical", "instance": "e5", "model_name": "m"},
        {"alertname": "KvFull", "severity": "warning", "instance": "e5", "model_name": "m"},
        {"alertname": "KvFull", "severity": "warning", "instance": "e5", "model_name": "n"},
    ),
    "one full disk says nothing of another": (
        {"alertname": "DiskFilling", "severity": "critical", "instance": "d", "mountpoint": "/"},
        {"alertname": "DiskFilling", "severity": "warning", "instance": "d", "mountpoint": "/"},
        {"alertname": "DiskFilling", "severity": "warning", "instance": "d", "mountpoint": "/data"},
    ),
}


@pytest.mark.parametrize("case", SILENCES)
def test_silences(router: Router, case: str) -> None:
    source, silenced, left = SILENCES[case]
    for labels in SILENCES[case]:
        router.post(labels)
    assert soon(lambda: router.inhibited(**silenced) != [])
    assert router.inhibited(**silenced) == [source["alertname"]]
    assert router.inhibited(**left) == []


def test_nothing_that_can_be_read_holds_the_secret(router: Router) -> None:
    path = next(iter(router.workload.secret_files))
    readable = {
        "the declaration": docker("inspect", router.id),
        "its configuration": docker("exec", router.id, "cat", "/etc/alertmanager/alertmanager.yml"),
        "what it says of its configuration": str(ask(f"{router.url}/api/v2/status").body),
        "its log": docker("logs", router.id),
        "its environment": docker("exec", router.id, "cat", "/proc/1/environ"),
    }
    assert path in readable["its configuration"]
    assert [where for where, text in readable.items() if SECRET in text] == []
    # It runs as nobody, and reads what is root's.
    assert docker("exec", router.id, "id", "-u") == "65534"
    assert SECRET in docker("exec", router.id, "cat", path)
