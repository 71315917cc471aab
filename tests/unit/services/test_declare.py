"""What every service promises, whichever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import Built, build
from infra.services import registry
from infra.targets.docker.mapping import Names, container
from tests.golden_files import ROOT

MODELS = {
    "a": {"source": "synthetic", "device": "cpu", "replicas": 2},
    "e": {"source": "/m/e", "kind": "embedding", "device": "cpu"},
    "h": {"source": "Qwen/Qwen3-0.6B", "device": "cpu", "context": 2048, "kv_cache": "1GiB"},
}


def made(**values: Any) -> Built:
    built, findings = build(Written({"models": MODELS, **values}, {}), "mine", [])
    assert built is not None
    assert not [finding for finding in findings if finding.severity is Severity.ERROR]
    return built


def test_every_service_is_found() -> None:
    seen = {"prometheus", "alertmanager", "node_exporter", "grafana"}
    assert set(registry()) == {"vllm", "prefetch", "litellm", "open_webui", "nginx", *seen}


@pytest.mark.parametrize("name", sorted(registry()))
def test_a_service_runs_with_its_defaults_and_can_be_deployed(name: str) -> None:
    workloads = [workload for workload in made().workloads if workload.service == name]
    assert workloads
    for workload in workloads:
        assert (workload.probe is None) == workload.one_shot
        assert workload.command
        mapped = container(workload, Names("hearth", "mine"), ROOT)
        assert workload.one_shot or mapped["healthcheck"]["tests"]


@pytest.mark.parametrize("name", sorted(set(registry()) - {"vllm"}))
def test_a_service_can_be_left_out_alone(name: str) -> None:
    head, _, rest = registry()[name].section.partition(".")
    off = {"enabled": False}
    built = made(**{head: {rest: off} if rest else off})
    assert name not in {workload.service for workload in built.workloads}
    assert {workload.service for workload in built.workloads} == set(registry()) - {name}


def test_a_model_cannot_be_named_as_a_service_is() -> None:
    _, findings = build(Written({"models": {"nginx": MODELS["a"]}}, {}), "mine", [])
    assert any("rename the model" in finding.fix for finding in findings)


def test_two_services_cannot_have_one_port() -> None:
    _, findings = build(Written({"gateway": {"expose": 8080}}, {}), "mine", [])
    assert any("port 8080 is wanted by" in finding.problem for finding in findings)


def test_replicas_share_a_name_and_the_gateway_asks_the_balancer() -> None:
    workloads = {workload.instance: workload for workload in made().workloads}
    assert workloads["a-0"].aliases == workloads["a-1"].aliases == ("a",)
    assert "http://nginx:8100/engines/a/v1" in workloads["litellm"].files[0].content
    assert "http://e:8000/v1" in workloads["litellm"].files[0].content


def test_only_the_front_door_is_published_and_on_loopback() -> None:
    published = {workload.instance: workload.published for workload in made().workloads if workload.published}
    assert set(published) == {"nginx"}
    assert published["nginx"][0].address == "127.0.0.1"


def test_engines_have_a_key_and_send_nothing_home() -> None:
    for workload in made().workloads:
        if workload.service == "vllm":
            assert workload.secret_environment["VLLM_API_KEY"].name == "engineKey"
            assert workload.environment["VLLM_NO_USAGE_STATS"] == "1"


def test_gpu_engines_get_their_share_and_wait_for_their_neighbour() -> None:
    gpu = {"hosts": {"g": {"gpus": [{"id": "GPU-1", "model": "H100"}]}}}
    one = {"source": "org/one", "memory_fraction": 0.45}
    built = made(inventory=gpu, models={"one": one, "two": {**one, "after": ["one"]}}, ui={"enabled": False})
    workloads = {workload.instance: workload for workload in built.workloads}
    files = {file.path: file.content for file in workloads["two"].files}
    command = json.loads(files["/etc/hearth/engine.json"])["command"]
    assert command[command.index("--gpu-memory-utilization") + 1] == "0.45"
    assert workloads["two"].after == ("one", "prefetch-one")
    assert workloads["two"].gpus == ("GPU-1",)
    assert workloads["two"].environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_grafana_is_left_out_with_a_notice_where_images_are_built() -> None:
    built = made(imageSource="built")
    assert "grafana" not in {workload.service for workload in built.workloads}
    notices = [finding for finding in built.declaration.findings if finding.severity is Severity.NOTICE]
    assert [notice.path for notice in notices] == ["hearth:monitoring.grafana"]
    with_image = made(imageSource="built", images={"grafana": "grafana/grafana:11.6.0"})
    assert "grafana" in {workload.service for workload in with_image.workloads}
