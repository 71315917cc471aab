"""What every service promises, whichever it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import Built, build
from infra.services import registry
from infra.services.assets.engine.settings import SETTINGS_FILE, read
from infra.services.assets.engine.settings import Settings as EntrySettings
from infra.services.base import STATUS_FILE, Workload
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


def engine_settings(workload: Workload) -> dict[str, Any]:
    """What an engine's entry point is told."""
    (file,) = [file for file in workload.files if file.path == "/etc/hearth/engine.json"]
    settings: dict[str, Any] = json.loads(file.content)
    return settings


def test_every_service_is_found() -> None:
    seen = {"prometheus", "alertmanager", "node_exporter", "grafana", "blackbox_exporter", "cadvisor", *BESIDE}
    assert set(registry()) == {"vllm", "prefetch", "litellm", "open_webui", "nginx", "relay", *seen, *CARDS}


# Beside nginx; where there are cards. Their images have no client that a probe could use, or run without one.
BESIDE = {"nginx_exporter"}
CARDS = {"dcgm_exporter", "amd_exporter"}
# Where one host asks another.
OVER_HOSTS = {"relay"}
SECOND: dict[str, Any] = {"address": "10.0.0.2"}
BOTH_MAKERS = {"address": "10.0.0.1", "gpus": [{"id": "0", "model": "H100-80GB"}, {"id": "1", "model": "MI300X"}]}


@pytest.mark.parametrize("name", sorted(registry()))
def test_a_service_runs_with_its_defaults_and_can_be_deployed(name: str) -> None:
    built = made(inventory={"hosts": {"local": BOTH_MAKERS, "second": SECOND}}, gateway={"place": "second"})
    workloads = [workload for workload in built.workloads if workload.service == name]
    assert workloads
    for workload in workloads:
        unasked = workload.one_shot or name in BESIDE | CARDS
        assert (workload.probe is None) == unasked
        assert workload.command
        mapped = container(workload, Names("hearth", "mine"), ROOT)
        assert unasked or mapped["healthcheck"]["tests"]


def test_what_is_beside_a_service_goes_with_it() -> None:
    names = {workload.service for workload in made(edge={"enabled": False}).workloads}
    assert not names & {"nginx", *BESIDE}


@pytest.mark.parametrize("name", sorted(set(registry()) - {"vllm"} - CARDS - OVER_HOSTS))
def test_a_service_can_be_left_out_alone(name: str) -> None:
    head, _, rest = registry()[name].section.partition(".")
    off = {"enabled": False}
    built = made(**{head: {rest: off} if rest else off})
    assert name not in {workload.service for workload in built.workloads}
    gone = {name, *(other for other, service in registry().items() if service.beside == name)}
    assert {workload.service for workload in built.workloads} == set(registry()) - gone - CARDS - OVER_HOSTS


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


HOSTS: dict[str, Any] = {
    "nv": {"gpu_access": "cdi", "gpus": [{"id": "GPU-1", "model": "H100-80GB"}]},
    "amd": {
        "device_groups": [44, 992],
        "gpus": [
            {"id": "GPU-a", "model": "MI300X", "render_node": "/dev/dri/renderD128"},
            {"id": "GPU-b", "model": "MI300X", "render_node": "/dev/dri/renderD129"},
            {"id": "GPU-c", "model": "MI300X"},
        ],
    },
    "plain": {"cores": 8, "numa_nodes": [{"cores": "0-3"}, {"cores": "4-7"}]},
    "one": {"cores": 8, "numa_nodes": [{"cores": "0-7"}]},
}


def engine_of(place: str, **model: Any) -> Workload:
    inventory = {"hosts": {place: HOSTS[place]}}
    built = made(models={"m": {"source": "Qwen/Qwen3-1.7B", "context": 2048, **model}}, inventory=inventory)
    (found,) = (workload for workload in built.workloads if workload.service == "vllm")
    return found


def test_engines_are_given_cards_as_their_host_can() -> None:
    nvidia = engine_of("nv")
    assert (nvidia.gpu_access, nvidia.gpus) == ("cdi", ("GPU-1",))
    assert nvidia.environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert (nvidia.device_nodes, nvidia.device_groups, nvidia.capabilities) == ((), (), ())
    amd = engine_of("amd", device="rocm", gpus=["GPU-b"])
    assert (amd.device_nodes, amd.device_groups) == (("/dev/dri/renderD129",), (44, 992))
    assert "CUDA_DEVICE_ORDER" not in amd.environment
    partly = engine_of("amd", device="rocm", gpus=["GPU-b", "GPU-c"], tensor_parallel=2)
    assert partly.device_nodes == ()


def test_engines_on_cpu_may_bind_memory_and_know_their_node_where_all_their_cores_are_on_it() -> None:
    cpu = {"device": "cpu", "kv_cache": "1GiB"}
    bound = engine_of("plain", **cpu, cores="4-6")
    assert (bound.capabilities, bound.gpus) == (("SYS_NICE",), ())
    assert bound.environment["CPU_VISIBLE_MEMORY_NODES"] == "1"
    for host, cores in (("plain", "3-4"), ("plain", None), ("one", "0-3")):
        assert "CPU_VISIBLE_MEMORY_NODES" not in engine_of(host, **cpu, cores=cores).environment


def test_the_plan_keeps_the_promise_that_all_engines_share() -> None:
    for section, wanted in (({"restart_sec": "7s"}, 7.0), (None, 5.0)):
        built = made(engines={"restart": section} if section else {})
        assert {placement.restart.restart_sec_s for placement in built.plan.placements} == {wanted}


def test_a_wrong_promise_of_the_engines_is_one_finding_and_the_plan_goes_on() -> None:
    built, findings = build(
        Written({"models": MODELS, "engines": {"restart": {"restart_sec": "soon"}}}, {}), "mine", []
    )
    assert built is not None
    assert [finding.path for finding in findings if finding.severity is Severity.ERROR] == [
        "hearth:engines.restart.restart_sec"
    ]
    assert {placement.restart.restart_sec_s for placement in built.plan.placements} == {5.0}


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
    command = engine_settings(workloads["two"])["command"]
    assert command[command.index("--gpu-memory-utilization") + 1] == "0.45"
    assert workloads["two"].after == ("one", "prefetch-one")
    assert workloads["two"].gpus == ("GPU-1",)
    assert workloads["two"].environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_grafana_is_left_out_with_a_notice_where_images_are_built() -> None:
    built = made(imageSource="built")
    assert "grafana" not in {workload.service for workload in built.workloads}
    notices = {finding.path for finding in built.declaration.findings if finding.severity is Severity.NOTICE}
    assert "hearth:monitoring.grafana" in notices
    with_image = made(imageSource="built", images={"grafana": "grafana/grafana:11.6.0"})
    assert "grafana" in {workload.service for workload in with_image.workloads}


def test_an_engines_entry_point_is_told_what_was_planned(tmp_path: Path) -> None:
    """The entry point's own reader takes what is rendered for it."""
    built = made()
    workload = next(workload for workload in built.workloads if workload.instance == "a-0")
    file = tmp_path / "engine.json"
    file.write_text(json.dumps(engine_settings(workload)))
    told = read(file)
    placement = built.plan.of_model("a")[0]
    assert asdict(told.promise) == asdict(placement.restart)
    assert (told.instance, told.model, told.kind, told.device) == ("a-0", "a", "chat", "cpu")
    assert told.command[:3] == ("vllm", "serve", "/models/a")
    assert told.prepare[0] == "python3"
    assert str(told.status_file) == STATUS_FILE
    assert workload.probe is not None
    assert workload.probe.port == told.status_port


def test_every_module_of_the_entry_point_is_uploaded() -> None:
    workload = next(workload for workload in made().workloads if workload.instance == "e")
    uploaded = {Path(file.path).name for file in workload.files if file.path.startswith("/opt/hearth/engine/")}
    assert uploaded == {file.name for file in (ROOT / "infra/services/assets/engine").glob("*.py")}


@pytest.mark.parametrize(("version", "drains"), [("v0.9.2", False), ("v0.32.0", True)])
def test_a_flag_that_the_version_lacks_is_left_out(version: str, *, drains: bool) -> None:
    built = made(
        images={"vllm": f"vllm/vllm-openai-cpu:{version}-x86_64"}, models={"a": MODELS["a"]}, ui={"enabled": False}
    )
    workload = next(workload for workload in built.workloads if workload.instance == "a-0")
    assert ("--shutdown-timeout" in engine_settings(workload)["command"]) is drains


def test_the_entry_point_looks_where_its_files_are_put() -> None:
    """It is uploaded alone, so it has the paths of its own."""
    engine = next(one for one in made().workloads if one.instance == "e")
    assert str(SETTINGS_FILE) in {file.path for file in engine.files}
    assert str(EntrySettings.locks) in {volume.path for volume in engine.volumes}
    assert str(EntrySettings.status_file) == STATUS_FILE
