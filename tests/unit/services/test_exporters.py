from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import Built, build
from infra.services.base import Workload
from monitoring.metrics import catalogues
from tests.unit.monitoring.conftest import Tool, tool
from tests.unit.services.monitored import file_of, made

__all__ = ["tool"]  # the fixture

NVIDIA: dict[str, Any] = {"gpu_access": "cdi", "gpus": [{"id": f"GPU-{n}", "model": "H100-80GB"} for n in (1, 2)]}
AMD: dict[str, Any] = {"device_groups": [44, 992], "gpus": [{"id": "GPU-a", "model": "MI300X"}]}
PLAIN: dict[str, Any] = {"cores": 8}
EXPORTERS = {"cadvisor", "dcgm_exporter", "amd_exporter"}
# docs/runtime_options.md of cAdvisor 0.60.5: a name that it doesn't know ends it at once.
CADVISOR_GROUPS = (
    "advtcp app cpu cpuLoad cpu_topology cpuset disk diskIO hugetlb memory memory_numa network oom_event percpu "
    "perf_event process referenced_memory resctrl sched tcp udp"
)


def stack(hosts: dict[str, Any], **values: Any) -> tuple[Built, dict[str, str]]:
    """Return a stack on these hosts, and what is said of it, by path; nothing in it is wrong."""
    reached = {name: {"address": f"10.0.0.{number}", **host} for number, (name, host) in enumerate(hosts.items(), 1)}
    values = {"models": {"a": engine("cpu")}, "inventory": {"hosts": reached}, **values}
    built, findings = build(Written(values, {}), "mine", [])
    assert built is not None
    assert [str(finding) for finding in findings if finding.severity is Severity.ERROR] == []
    return built, {finding.path: str(finding) for finding in findings}


def engine(device: str, **more: Any) -> dict[str, Any]:
    if device == "cpu":
        return {"source": "synthetic", "device": device, **more}
    return {"source": "Qwen/Qwen3-1.7B", "device": device, "context": 2048, **more}


def exporters(built: Built) -> dict[str, Workload]:
    """Return the exporters by service; of several hosts the last's."""
    return {workload.service: workload for workload in built.workloads if workload.service in EXPORTERS}


def hosts_of(built: Built, service: str) -> list[tuple[str, str]]:
    return [(one.instance, one.host) for one in built.workloads if one.service == service]


def test_a_stack_has_the_exporter_of_the_cards_in_its_inventory() -> None:
    for host, wanted in (
        (PLAIN, set()),
        (NVIDIA, {"dcgm_exporter"}),
        (AMD, {"amd_exporter"}),
        ({**AMD, "gpus": [*AMD["gpus"], *NVIDIA["gpus"]]}, {"dcgm_exporter", "amd_exporter"}),
    ):
        assert set(exporters(stack({"one": host})[0])) == wanted | {"cadvisor"}


def test_it_runs_where_engines_on_such_cards_do_and_sees_all_cards() -> None:
    models = {"n": engine("cuda", place="nv"), "r": engine("rocm", place="amd")}
    built, _ = stack({"a-host": PLAIN, "nv": NVIDIA, "amd": AMD}, models=models)
    found = exporters(built)
    nvidia, amd = found["dcgm_exporter"], found["amd_exporter"]
    assert (nvidia.host, nvidia.gpus, nvidia.gpu_access) == ("nv", ("GPU-1", "GPU-2"), "cdi")
    assert nvidia.capabilities == ("SYS_ADMIN",)
    assert (amd.host, amd.device, amd.gpus, amd.device_groups) == ("amd", "rocm", ("GPU-a",), (44, 992))
    wanted = [(f"cadvisor-{host}", host) for host in ("a-host", "amd", "nv")]
    assert hosts_of(built, "cadvisor") == wanted
    assert hosts_of(built, "dcgm_exporter") == [("dcgm-exporter-nv", "nv")]


def test_a_host_that_is_only_listed_gets_none() -> None:
    models = {"a": engine("cpu", place="a-host")}
    built, said = stack({"a-host": PLAIN, "nv": NVIDIA, "amd": AMD}, models=models)
    assert {workload.host for workload in built.workloads} == {"a-host"}
    assert "hearth:inventory" not in said


def test_a_place_chooses_between_hosts_with_cards() -> None:
    hosts = {"nv": NVIDIA, "nv-2": {**NVIDIA, "gpus": [{"id": "GPU-3", "model": "L40S"}]}, "plain": PLAIN}
    models = {"a": engine("cuda", place="nv"), "b": engine("cuda", place="nv-2"), "c": engine("cpu", place="plain")}
    for place, wanted in (("nv-2", ["nv-2"]), ("plain", []), (None, ["nv", "nv-2"])):
        built, _ = stack(hosts, models=models, monitoring={"dcgm_exporter": {"place": place}})
        assert [host for _, host in hosts_of(built, "dcgm_exporter")] == wanted


def test_a_place_that_the_stack_does_not_use_is_told() -> None:
    values = {"inventory": {"hosts": {"one": PLAIN, "z-idle": PLAIN}}, "models": {"a": engine("cpu", place="one")}}
    exporter = {"node_exporter": {"place": "z-idle"}}
    _, findings = build(Written({**values, "monitoring": exporter}, {}), "mine", [])
    (wrong,) = (finding for finding in findings if finding.severity is Severity.ERROR)
    assert wrong.path == "hearth:monitoring.node_exporter.place"
    assert wrong.problem == "z-idle is not used by this stack, only one"


def test_what_no_package_has_is_left_out_of_built_images_and_said() -> None:
    both = {**AMD, "gpus": [*AMD["gpus"], *NVIDIA["gpus"]]}
    built, said = stack({"one": both}, imageSource="built")
    assert exporters(built) == {}
    for name in EXPORTERS:
        assert f"set hearth:images.{name} to it" in said[f"hearth:monitoring.{name}"]
    _, said = stack({"one": PLAIN}, imageSource="built")
    assert {path for path in said if path.endswith("_exporter")} == set()
    assert "hearth:monitoring.cadvisor" in said


def test_what_is_read_of_cards_is_asked_for() -> None:
    found = exporters(stack({"one": {**AMD, "gpus": [*AMD["gpus"], *NVIDIA["gpus"]]}})[0])
    text = file_of(found["dcgm_exporter"], "/etc/hearth/counters.csv")
    rows = list(csv.reader(io.StringIO("".join(line for line in text.splitlines(keepends=True) if line[0] != "#"))))
    # A comma in a help text would be a fourth column, which the exporter refuses.
    assert {len(row) for row in rows} == {3}
    assert {row[1].strip() for row in rows} == {"gauge", "counter"}
    assert catalogues()["dcgm_exporter"].series <= {row[0] for row in rows}
    settings = json.loads(file_of(found["amd_exporter"], "/etc/metrics/config.json"))
    assert {name.upper() for name in catalogues()["amd_exporter"].series} <= set(settings["GPUConfig"]["Fields"])
    assert settings["CommonConfig"]["MetricsFieldPrefix"] == ""
    assert "GPU_UUID" in settings["GPUConfig"]["Labels"]
    assert settings["ServerPort"] == 5000


def test_cadvisor_knows_the_groups_that_it_is_told_to_leave_out_and_keeps_those_that_are_read() -> None:
    workload = made("cadvisor", {})
    (unread,) = (flag.partition("=")[2] for flag in workload.command if flag.startswith("--disable_metrics="))
    left_out = set(unread.split(","))
    assert left_out <= set(CADVISOR_GROUPS.split())
    assert not left_out & {"cpu", "memory"}
    assert all(volume.read_only for volume in workload.volumes)


def test_cadvisor_asks_the_daemon_of_its_host() -> None:
    built, _ = stack({"one": {"connection": "unix:///run/user/1000/docker.sock"}})
    sources = {volume.path: volume.host_path for volume in exporters(built)["cadvisor"].volumes}
    assert sources["/var/run/docker.sock"] == "/run/user/1000/docker.sock"


def test_nginx_tells_its_exporter_alone_and_on_a_port_that_is_not_published() -> None:
    built, _ = stack({"one": PLAIN})
    by_name = {workload.instance: workload for workload in built.workloads}
    assert "--nginx.scrape-uri=http://nginx:8090/stub_status" in by_name["nginx-exporter"].command
    _, _, rest = file_of(by_name["nginx"], "/etc/nginx/nginx.conf").partition("listen 8090;")
    assert "stub_status;" in rest.partition("server {")[0]
    assert 8090 not in {port.container_port for port in by_name["nginx"].published}


@pytest.mark.parametrize("public", [None, "https://chat.example.com"])
def test_pages_that_need_no_key_are_asked_through_the_prober(public: str | None) -> None:
    built, _ = stack({"one": PLAIN}, ui={"public_url": public})
    (prometheus,) = (workload for workload in built.workloads if workload.service == "prometheus")
    config = yaml.safe_load(file_of(prometheus, "/etc/prometheus/prometheus.yml"))
    (job,) = (job for job in config["scrape_configs"] if job["job_name"] == "probes")
    asked = {url for group in job["static_configs"] for url in group["targets"]}
    inside = {"http://nginx:8080/healthz", "http://open-webui:8080/health"}
    assert asked == inside | ({public} if public else set())


def test_the_prober_reads_its_configuration(tmp_path: Path, tool: Tool) -> None:
    text = file_of(made("blackbox_exporter", {}), "/etc/blackbox_exporter/config.yml")
    for content, wanted in ((text, 0), (text.replace("follow_redirects", "follow"), 1)):
        (tmp_path / "config.yml").write_text(content)
        ran = tool(tmp_path, "blackbox_exporter", "--config.check", "--config.file=config.yml")
        assert ran.returncode == wanted, ran.stderr


def test_the_packaged_exporter_of_nginx_takes_its_flag(tmp_path: Path, tool: Tool) -> None:
    flag = made("nginx_exporter", {}).command[1].replace("nginx:8090", "127.0.0.1:1")
    ran = tool(tmp_path, "nginx-prometheus-exporter", flag)
    assert "Could not create Nginx Client" in ran.stderr
    refused = tool(tmp_path, "nginx-prometheus-exporter", flag.replace("scrape-uri", "uri"))
    assert "flag provided but not defined" in refused.stderr
