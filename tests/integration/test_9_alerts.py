"""Real faults raise real alerts, all the way to a webhook, and resolve when the fault is mended."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from images import recipes
from tests.integration.engines import Engines, engine, engines_only
from tests.integration.stacks import TestStack, docker
from tests.integration.test_1_chat import stream
from tests.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

# People are told of a standstill at two fifths of the watchdog's time: after it the engine is started anew, and the alert
# would resolve by itself.
WATCHDOG_S: Final = 60
TOLD_WITHIN_S: Final = 120
QUICK: Final = {"hold": "2s"}
ONE_AT_A_TIME: Final = engine(
    max_sequences=1,
    restart={
        "policy": "on-failure",
        "restart_sec": "1s",
        "start_limit_burst": 1,
        "start_limit_interval": "1h",
        "watchdog_sec": f"{WATCHDOG_S}s",
    },
)
HOOK: Final = """
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("", 9000), Hook).serve_forever()
"""


@dataclass(frozen=True)
class Webhook:
    """A receiver of alerts on the stack's own network; what it gets stands in its log."""

    container: str

    def told(self) -> list[dict[str, Any]]:
        posts = [json.loads(line) for line in docker("logs", self.container).splitlines() if line.startswith("{")]
        return [alert for post in posts for alert in post["alerts"]]

    def until(self, name: str, status: str, since: float) -> dict[str, Any]:
        """Return the alert of that name, once its receiver was told of that status after a moment (wall clock)."""
        deadline = time.monotonic() + TOLD_WITHIN_S
        while time.monotonic() < deadline:
            for alert in self.told():
                is_new = alert["startsAt" if status == "firing" else "endsAt"] > _utc(since)
                if (alert["labels"]["alertname"], alert["status"]) == (name, status) and is_new:
                    return alert
            time.sleep(1)
        known = sorted({(alert["labels"]["alertname"], alert["status"]) for alert in self.told()})
        pytest.fail(f"nobody was told that {name} is {status}; told were {known}")


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


def values() -> dict[str, Any]:
    """One small engine behind the gateway, and all that watches it, quick to tell."""
    (prometheus,) = free_ports(1)
    stack = engines_only(single=ONE_AT_A_TIME)
    stack["monitoring"] = {
        "prometheus": {
            "expose": prometheus,
            "scrape_interval": "1s",
            "alerts": dict.fromkeys(("EngineQueueGrowing", "TargetDown", "EngineDown"), QUICK),
        },
        "alertmanager": {"webhook_url": "http://hook:9000/", "group_wait": "1s", "group_interval": "2s"},
        "grafana": {"enabled": False, "expose": None},
        "blackbox_exporter": {"enabled": False},
        "nginx_exporter": {"enabled": False},
    }
    return stack


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    stack = TestStack.make(tmp_path_factory.mktemp("alerts"), values())
    try:
        stack.bootstrap("up")
        yield Engines(stack)
    finally:
        stack.remove()


@pytest.fixture(scope="module")
def webhook(engines: Engines) -> Iterator[Webhook]:
    (network,) = engines.stack.named("network")
    container = docker(
        "run", "-d", "--network", network, "--network-alias", "hook", recipes.reference("base"), "python3", "-c", HOOK
    )  # fmt: skip
    try:
        yield Webhook(container)
    finally:
        docker("rm", "-f", container, check=False)


def streams(engines: Engines, count: int, tokens: int) -> Sequence[threading.Thread]:
    """Ask for long answers at once; they are read to their ends."""
    outputs = engines.stack.outputs()

    def read() -> None:
        for _ in stream(outputs, "single", tokens):
            pass

    threads = [threading.Thread(target=read, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_a_target_that_is_gone(engines: Engines, webhook: Webhook) -> None:
    began = time.time()
    exporter = engines.id("node-exporter")
    docker("stop", exporter)
    told = webhook.until("TargetDown", "firing", began)
    assert told["labels"]["instance"] == "node-exporter"
    assert told["labels"]["severity"] == "warning"
    assert told["annotations"]["runbook_url"].endswith("/TargetDown.md")
    docker("start", exporter)
    webhook.until("TargetDown", "resolved", began)


def test_a_queue_longer_than_a_batch(engines: Engines, webhook: Webhook) -> None:
    began = time.time()
    threads = streams(engines, 12, 700)
    told = webhook.until("EngineQueueGrowing", "firing", began)
    assert told["labels"]["model_name"] == "single"
    for thread in threads:
        thread.join(timeout=300)
    webhook.until("EngineQueueGrowing", "resolved", began)


def test_an_engine_that_gets_nothing_done(engines: Engines, webhook: Webhook) -> None:
    began = time.time()
    frozen = engines.processes("single")
    (reader,) = streams(engines, 1, 900)
    time.sleep(1)
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    try:
        told = webhook.until("EngineStalled", "firing", began)
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    assert (told["labels"]["instance"], told["labels"]["severity"]) == ("single", "critical")
    webhook.until("EngineStalled", "resolved", began)
    reader.join(timeout=120)
    assert engines.status("single")["starts"] == 1


def test_an_engine_that_is_killed_and_out_of_starts(engines: Engines, webhook: Webhook) -> None:
    began = time.time()
    engines.kill_until_failed("single", most=3)
    told = webhook.until("EngineFailed", "firing", began)
    assert told["labels"]["instance"] == "single"
    assert told["labels"]["cause"] in told["annotations"]["summary"]
    docker("kill", "--signal", "HUP", engines.id("single"))
    engines.until_running("single")
    webhook.until("EngineFailed", "resolved", began)


def test_nobody_was_told_of_the_alert_that_always_fires(webhook: Webhook) -> None:
    names = {alert["labels"]["alertname"] for alert in webhook.told()}
    assert {"TargetDown", "EngineQueueGrowing", "EngineStalled", "EngineFailed"} <= names
    assert "Watchdog" not in names
