"""The policy pack as the engine speaks with it: a process that is asked about each resource over gRPC."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from bootstrap import venv
from tests.integration.stacks import ROOT, TestStack

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]
# The mark of a secret (pulumi, sdk/go/common/resource/sig).
_SECRET = "4dabf18193072939515e22adb298388d"
Ask = Callable[[dict[str, Any]], list[Any]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment as the pack's requirements want it."""
    folder = tmp_path_factory.mktemp("pack")
    environment = {**os.environ, **venv.uv_environment()}
    for argv in (
        ["uv", "venv", "-q", str(folder)],
        ["uv", "pip", "install", "-q", "--python", f"{folder}/bin/python", "-r", str(ROOT / "policy/requirements.txt")],
    ):
        subprocess.run(argv, env=environment, check=True, timeout=300)
    return f"{folder}/bin/python"


@pytest.fixture(scope="module")
def pack(python: str) -> Iterator[Ask]:
    argv = [python, str(ROOT / "policy" / "__main__.py"), "127.0.0.1:1"]
    running = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        stub = analyzer_pb2_grpc.AnalyzerStub(grpc.insecure_channel(f"127.0.0.1:{port}"))

        def ask(resource: dict[str, Any]) -> list[Any]:
            properties = json_format.ParseDict(resource["inputs"], struct_pb2.Struct())
            urn = resource["urn"]
            request = analyzer_pb2.AnalyzeRequest(
                type=resource["type"], properties=properties, urn=urn, name=urn.rpartition("::")[2]
            )
            return list(stub.Analyze(request, timeout=30).diagnostics)

        yield ask
    finally:
        running.terminate()
        running.wait(timeout=20)
        if running.stdout is not None:
            running.stdout.close()


def opened(value: Any) -> Any:
    """Return properties as the engine hands them to a pack: a secret with a value, which in the state is encrypted."""
    if isinstance(value, dict):
        if _SECRET in value:
            return {_SECRET: value[_SECRET], "value": "what the test doesn't know"}
        return {key: opened(one) for key, one in value.items()}
    return [opened(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def resources(local_stack: TestStack) -> list[dict[str, Any]]:
    """What the engine was really given, from its state."""
    state = json.loads(local_stack.state())
    found = [one for one in state["deployment"]["resources"] if one["type"].startswith("docker:")]
    return [{**one, "inputs": opened(one["inputs"])} for one in found]


def test_what_is_deployed_breaks_no_rule(pack: Ask, resources: list[dict[str, Any]]) -> None:
    assert len(resources) > 20
    told = [one for resource in resources for one in pack(resource)]
    assert [(one.policyName, one.message) for one in told] == []


def test_a_broken_rule_is_told_with_its_level_reason_and_fix(pack: Ask, resources: list[dict[str, Any]]) -> None:
    (engine,) = (one for one in resources if one["urn"].endswith("::tiny-coder"))
    port = {"internal": 8000, "external": 8000, "ip": "127.0.0.1"}
    (told,) = pack({**engine, "inputs": {**engine["inputs"], "ports": [port]}})
    assert (told.policyName, told.enforcementLevel) == ("private-engines", analyzer_pb2.MANDATORY)
    assert "publishes 127.0.0.1:8000" in told.message
    assert "Fix: remove expose of hearth:engines" in told.message
    privileged = pack({**engine, "inputs": {**engine["inputs"], "privileged": True, "networkMode": "host"}})
    assert {one.policyName for one in privileged} == {"unprivileged", "own-namespaces"}
