"""A request through every layer of the local stack."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.stacks import TestStack, ask, docker

pytestmark = pytest.mark.integration


def chat(outputs: dict[str, Any], model: str, text: str = "hello", **more: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 8, **more}
    return ask(f"{outputs['gatewayUrl']}/chat/completions", key=outputs["masterKey"], body=body)


@pytest.mark.parametrize("model", ["tiny-chat", "tiny-coder"])
def test_a_chat_passes_front_door_gateway_and_engine(outputs: dict[str, Any], model: str) -> None:
    answer = chat(outputs, model)
    assert answer.status == 200, answer.body
    assert answer.json()["choices"][0]["finish_reason"] in {"length", "stop"}
    assert 0 < answer.json()["usage"]["completion_tokens"] <= 8


def stream(outputs: dict[str, Any], model: str, tokens: int) -> Iterator[bytes]:
    """Yield the lines of a streamed chat as they come."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "go"}],
        "max_tokens": tokens,
        "stream": True,
        "ignore_eos": True,
    }
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{outputs['gatewayUrl']}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {outputs['masterKey']}"},
    )
    with urllib.request.urlopen(request, timeout=180) as reply:  # noqa: S310 - loopback
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        yield from reply


def test_a_stream_arrives_token_by_token(outputs: dict[str, Any]) -> None:
    events = [line[6:].strip() for line in stream(outputs, "tiny-chat", 32) if line.startswith(b"data: ")]
    assert events[-1] == b"[DONE]"
    assert len(events) > 10


def test_without_a_key_nothing_is_answered(outputs: dict[str, Any]) -> None:
    body = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hi"}]}
    assert ask(f"{outputs['gatewayUrl']}/chat/completions", body=body).status == 401
    assert ask(f"{outputs['gatewayUrl']}/models").status == 401


def test_a_wrong_key_is_refused(outputs: dict[str, Any]) -> None:
    body = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hi"}]}
    refused = ask(f"{outputs['gatewayUrl']}/chat/completions", key="sk-wrong-but-long-enough-000", body=body)
    # LiteLLM without a database answers 400 "No connected db" to a key it doesn't know.
    assert refused.status in {400, 401, 403}
    assert "choices" not in refused.body


def test_the_gateway_lists_every_model(outputs: dict[str, Any]) -> None:
    listed = ask(f"{outputs['gatewayUrl']}/models", key=outputs["masterKey"]).json()["data"]
    assert {model["id"] for model in listed} == {"tiny-chat", "tiny-coder", "minilm"}


def test_embeddings_know_what_is_alike(outputs: dict[str, Any]) -> None:
    texts = ["How do I restart the inference server?", "Steps to reboot the vLLM engine", "A recipe for plum cake"]
    body = {"model": "minilm", "input": texts}
    data = ask(f"{outputs['gatewayUrl']}/embeddings", key=outputs["masterKey"], body=body).json()["data"]
    question, alike, other = (row["embedding"] for row in data)
    assert len(question) == 384

    def product(one: list[float], two: list[float]) -> float:
        return sum(a * b for a, b in zip(one, two, strict=True))

    assert product(question, alike) > product(question, other) + 0.2


def served(instance: str, stack: TestStack) -> float:
    """Return how many chat requests an engine has finished, from its own metrics."""
    text = docker("exec", stack.containers()[instance], "curl", "-fsS", "http://127.0.0.1:8000/metrics")
    lines = [line for line in text.splitlines() if line.startswith("vllm:request_success_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_the_load_balancer_uses_both_replicas(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    before = [served(name, local_stack) for name in ("tiny-chat-0", "tiny-chat-1")]
    requests = 16
    for number in range(requests):
        assert chat(outputs, "tiny-chat", f"number {number}").status == 200
    after = [served(name, local_stack) for name in ("tiny-chat-0", "tiny-chat-1")]
    grown = [two - one for one, two in zip(before, after, strict=True)]
    assert sum(grown) == requests
    # 16 fair coins all on one side: once in 32,768 runs.
    assert min(grown) > 0


def test_only_declared_ports_are_published_and_on_loopback(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    published = set()
    for container in local_stack.containers().values():
        bindings = json.loads(docker("inspect", "--format", "{{json .HostConfig.PortBindings}}", container)) or {}
        published |= {(bound["HostIp"], int(bound["HostPort"])) for ports in bindings.values() for bound in ports}
    wanted = {("127.0.0.1", int(url.rpartition(":")[2])) for url in outputs["exposed"].values()}
    assert published == wanted


@pytest.mark.parametrize(
    "path", ["/metrics", "/health", "/invocations", "/v1/../metrics", "/engines/tiny-chat/v1/models"]
)
def test_the_front_door_gives_away_nothing_else(outputs: dict[str, Any], path: str) -> None:
    answer = ask(outputs["frontDoorUrl"] + path)
    assert "vllm:" not in answer.body
    assert "litellm_" not in answer.body


class WebUi:
    """Open WebUI's own API, as a person's browser uses it."""

    def __init__(self, url: str, email: str, password: str, *, sign_up: bool) -> None:
        self.url = url
        path = "signup" if sign_up else "signin"
        body = {"email": email, "password": password, "name": "Tester"}
        answer = ask(f"{url}/api/v1/auths/{path}", body=body)
        assert answer.status == 200, answer.body
        self.token = answer.json()["token"]

    def ask(self, path: str, body: Any = None) -> Any:
        answer = ask(f"{self.url}{path}", key=self.token, body=body)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body}"
        return answer.json()


def test_sign_up_and_chat_in_the_web_ui(outputs: dict[str, Any]) -> None:
    ui = WebUi(outputs["frontDoorUrl"], f"{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12), sign_up=True)
    assert "tiny-chat" in {model["id"] for model in ui.ask("/api/models")["data"]}
    body = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "stream": False}
    assert ui.ask("/api/chat/completions", body)["choices"][0]["message"]["content"]


NOTES = {
    "restart.txt": "To reboot the inference engine, run docker restart on its container and wait until it is healthy.",
    "cake.txt": "Plum cake: mix flour, butter and sugar, lay halved plums on top, bake for forty minutes.",
    "garden.txt": "Tulips are planted in autumn, ten centimetres deep, in soil that lets the water through.",
}


def test_retrieval_finds_the_right_note(outputs: dict[str, Any]) -> None:
    ui = WebUi(outputs["frontDoorUrl"], outputs["uiAdminEmail"], outputs["uiAdminPassword"], sign_up=False)
    knowledge = ui.ask("/api/v1/knowledge/create", {"name": "notes", "description": "three notes"})
    for name, text in NOTES.items():
        upload(ui, knowledge["id"], name, text)
    query = {"collection_names": [knowledge["id"]], "query": "How do I restart the model server?", "k": 1}
    found = ui.ask("/api/v1/retrieval/query/collection", query)
    assert "reboot the inference engine" in found["documents"][0][0]


def upload(ui: WebUi, knowledge: str, name: str, text: str) -> None:
    edge = secrets.token_hex(8)
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: text/plain\r\n\r\n{text}\r\n--{edge}--\r\n"
    ).encode()
    headers = {"Authorization": f"Bearer {ui.token}", "Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{ui.url}/api/v1/files/", data=body, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310 - loopback
        file = json.loads(reply.read())["id"]
    for _ in range(60):
        status = ui.ask(f"/api/v1/files/{file}/process/status")["status"]
        if status in {"completed", "failed"}:
            break
        time.sleep(1)
    assert status == "completed"
    ui.ask(f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": file})
