"""Real engines that are killed, frozen, starved, misconfigured and stopped, beside one that must go on serving."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engines import Engines, engine, engines_only
from tests.integration.stacks import TestStack, ask, docker
from tests.integration.test_1_chat import stream

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

WATCHDOG_S = 20
TIMEOUT_STOP_S = 20
VICTIM = engine(
    restart={
        "policy": "on-failure",
        "restart_sec": "1s",
        "restart_max_delay": "2s",
        "start_limit_burst": 5,
        "start_limit_interval": "1h",
        "watchdog_sec": f"{WATCHDOG_S}s",
        "timeout_stop": f"{TIMEOUT_STOP_S}s",
    }
)
# A trained model: what it ranks first can be wrong.
JUDGE = engine(source=".hearth/models/all-minilm-l6-v2", kind="score", dtype="float32", context=None)
MODELS = {"steady": engine(), "victim": VICTIM, "judge": JUDGE}


ASK = """
curl -sS -w ' %{http_code}' -H "Authorization: Bearer $(cat /run/secrets/hearth/VLLM_API_KEY)" \
  -H 'Content-Type: application/json' http://127.0.0.1:8000/v1/completions \
  -d '{"model": "steady", "prompt": "hello", "max_tokens": 4}'
"""


class Chatting(threading.Thread):
    """Somebody who asks one engine all the time; `refused` are the answers that weren't.

    Asked inside its container: the gateway is replaced when a model is added, and that is another promise.
    """

    def __init__(self, container: str) -> None:
        super().__init__(daemon=True)
        self._container = container
        self._ended = threading.Event()
        self.answered = 0
        self.refused: list[str] = []

    def run(self) -> None:
        # Once at least, however short the test is.
        while not (self._ended.wait(0.5) and self.answered + len(self.refused)):
            answer = docker("exec", self._container, "sh", "-c", ASK, check=False)
            if answer.endswith(" 200"):
                self.answered += 1
            else:
                self.refused.append(answer)

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=60)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    stack = TestStack.make(tmp_path_factory.mktemp("engines"), engines_only(**MODELS))
    try:
        stack.bootstrap("up")
        yield Engines(stack)
    finally:
        stack.remove()


@pytest.fixture(autouse=True)
def steady(engines: Engines) -> Iterator[None]:
    """Whatever happens to the others, this one serves, and isn't started again."""
    before = engines.status("steady")["starts"]
    chatting = Chatting(engines.id("steady"))
    chatting.start()
    yield
    chatting.end()
    assert chatting.refused == []
    assert chatting.answered > 0
    assert engines.status("steady")["starts"] == before


def up(engines: Engines, **models: Any) -> subprocess.CompletedProcess[str]:
    """Deploy the two, and whatever a test adds."""
    front = int(engines.stack.outputs()["frontDoorUrl"].rpartition(":")[2])
    engines.stack.write({**engines_only(**MODELS, **models), "edge": {"expose": front}})
    return engines.stack.pulumi("up", "--yes", "--skip-preview", check=False)


def test_a_reranker_ranks(engines: Engines) -> None:
    outputs = engines.stack.outputs()
    documents = ["A recipe for plum cake", "Steps to reboot the vLLM engine", "Tulips are planted in autumn"]
    body = {"model": "judge", "query": "How do I restart the inference server?", "documents": documents}
    answer = ask(f"{outputs['gatewayUrl']}/rerank", key=outputs["masterKey"], body=body)
    assert answer.status == 200, answer.body
    best = max(answer.json()["results"], key=lambda result: result["relevance_score"])
    assert best["index"] == 1


def test_a_stop_lets_a_stream_end_and_keeps_its_time(engines: Engines) -> None:
    engines.until_running("victim")
    lines = stream(engines.stack.outputs(), "victim", 600)
    first = [next(lines) for _ in range(6)]
    began = time.monotonic()
    stopping = subprocess.Popen(["docker", "stop", "-t", "120", engines.id("victim")], stdout=subprocess.DEVNULL)
    rest = list(lines)
    assert stopping.wait(timeout=150) == 0
    lasted_s = time.monotonic() - began
    events = [line for line in [*first, *rest] if line.startswith(b"data: ")]
    assert events[-1].strip() == b"data: [DONE]"
    assert len(events) > 300
    assert lasted_s < TIMEOUT_STOP_S
    docker("start", engines.id("victim"))
    engines.until_running("victim")


def test_a_frozen_engine_is_started_again_by_its_watchdog(engines: Engines) -> None:
    before = engines.until_running("victim")["starts"]
    frozen = engines.processes("victim")
    assert frozen
    lines = stream(engines.stack.outputs(), "victim", 600)
    next(lines)
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    engines.until("victim", lambda status: status["starts"] == before + 1, "the next start")
    end = engines.until_running("victim")["last_end"]
    assert end["cause"] == "hung"
    assert f"{WATCHDOG_S} s" in end["says"]
    assert "hearth:models.victim.restart.watchdog_sec" in end["fix"]
    assert not set(frozen) & set(engines.processes("victim"))


def test_an_engine_that_is_killed_again_and_again_stays_failed_and_up_says_so(engines: Engines) -> None:
    docker("kill", "--signal", "HUP", engines.id("victim"))
    engines.stack.bootstrap("up")
    engines.kill_until_failed("victim", most=20)
    status = engines.until("victim", lambda status: status["state"] == "failed", "the end of the starts")
    assert status["starts_in_interval"] == 5
    assert status["last_end"]["cause"] == "killed"
    time.sleep(10)
    assert engines.processes("victim") == []
    assert engines.status("victim")["starts"] == status["starts"]
    page = docker("exec", engines.id("victim"), "curl", "-fsS", "http://127.0.0.1:8001/metrics")
    assert 'hearth_engine_state{state="failed"} 1' in page
    state = json.loads(docker("inspect", "--format", "{{json .State}}", engines.id("victim")))
    assert (state["Running"], state["Health"]["Status"]) == (True, "unhealthy")

    told = up(engines)
    text = told.stdout + told.stderr
    assert told.returncode != 0
    assert "victim: " in text
    assert "(killed)" in text
    assert "failed after 5 of 5 starts" in text
    assert "Traceback" not in text

    docker("restart", engines.id("victim"))
    time.sleep(5)
    again = engines.until("victim", lambda status: status["state"] == "failed", "the record after a restart")
    assert again["starts"] == 0
    docker("kill", "--signal", "HUP", engines.id("victim"))
    engines.until_running("victim")
    assert up(engines).returncode == 0


DOOMED: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "out of memory": (
        {"memory": "450MiB", "override": "a limit that is too small on purpose"},
        "killed_for_memory",
        ["hearth:models.doomed.memory"],
    ),
    "no model in its directory": (
        {"source": "{empty}"},
        "model_missing",
        ["/models/doomed", "hearth:models.doomed.source"],
    ),
    "a wrong value": ({"args": {"chat-template": "/nowhere.jinja"}}, "bad_flag", ["/nowhere.jinja"]),
}


@pytest.mark.parametrize("name", DOOMED)
def test_up_ends_at_once_with_the_cause_and_the_edit(engines: Engines, tmp_path: Path, name: str) -> None:
    more, cause, words = DOOMED[name]
    written = {key: str(tmp_path) if value == "{empty}" else value for key, value in more.items()}
    others = {key: value for key, value in engines.stack.containers().items() if key in {"steady", "victim"}}
    told = up(engines, doomed=engine(**written))
    text = told.stdout + told.stderr
    assert told.returncode != 0, text
    for word in (f"({cause})", *words):
        assert word in text, text
    # The engine's own last lines may hold its traceback; Hearth and Pulumi add none.
    assert "pulumi-language-python-exec" not in text, text
    assert {key: engines.stack.containers()[key] for key in others} == others
