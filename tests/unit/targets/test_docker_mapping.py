from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.config.restart import Restart
from infra.config.secrets import SecretRef
from infra.services.base import ConfigFile, Probe, Published, Volume, Workload
from infra.targets.docker import mapping

NAMES = mapping.Names("hearth", "test")


def mapped(**more: Any) -> dict[str, Any]:
    given = {
        "instance": "engine",
        "service": "vllm",
        "host": "box",
        "image": "a:1",
        "command": ("vllm", "serve", "m"),
        "restart": Restart(),
    }
    return mapping.container(Workload(**{**given, **more}), NAMES, Path("/checkout"))


def test_names_and_labels_say_whose_a_container_is() -> None:
    made = mapped()
    assert made["name"] == "hearth-test-engine"
    assert {label["label"]: label["value"] for label in made["labels"]}["hearth.stack"] == "test"
    assert made["networks_advanced"] == [{"name": "hearth-test", "aliases": ["engine"]}]


def test_a_changed_file_changes_a_label() -> None:
    one, two = (mapped(files=(ConfigFile("/a", text),))["labels"] for text in ("x", "y"))
    assert one != two


def test_without_secrets_the_program_is_the_entry_point() -> None:
    made = mapped()
    assert (made["entrypoints"], made["command"]) == (["vllm"], ["serve", "m"])


def test_secrets_become_environment_inside_the_container_only(tmp_path: Path) -> None:
    """The wrapper is run by a real shell: every file becomes a variable, arguments stay as they are."""
    made = mapped(secret_environment={"KEY": SecretRef("engineKey")}, command=("printenv", "KEY", "OTHER"))
    assert "KEY" not in str(made["envs"])
    (tmp_path / "KEY").write_text("a b\"c'$d")
    (tmp_path / "OTHER").write_text("two")
    script = made["entrypoints"][2].replace(mapping.SECRET_DIRECTORY, str(tmp_path))
    argv = ["/bin/sh", "-c", script, "hearth", *made["command"]]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert ran.stdout == "a b\"c'$d\ntwo\n"


def test_ports_listen_where_they_are_told() -> None:
    made = mapped(published=(Published(8000, 18000, "127.0.0.1"),))
    assert made["ports"] == [{"internal": 8000, "external": 18000, "ip": "127.0.0.1", "protocol": "tcp"}]


def test_volumes_are_named_after_the_stack_and_directories_start_at_the_checkout() -> None:
    made = mapped(volumes=(Volume("data", "/data"), Volume("model", "/m", host_path=".hearth/m", read_only=True)))
    assert made["volumes"][0]["volume_name"] == "hearth-test-data"
    assert made["volumes"][1]["host_path"] == "/checkout/.hearth/m"


@pytest.mark.parametrize(
    ("restart", "wanted"),
    [
        (Restart(policy="no"), {"restart": "no"}),
        (Restart(policy="always"), {"restart": "unless-stopped"}),
        (Restart(policy="on-failure", start_limit_burst=5), {"restart": "on-failure", "max_retry_count": 5}),
    ],
)
def test_restart_policies(restart: Restart, wanted: dict[str, Any]) -> None:
    made = mapped(restart=restart)
    assert {key: made[key] for key in ("restart", "max_retry_count") if key in made} == wanted


def test_what_docker_cannot_promise_is_a_finding() -> None:
    restart = Restart(
        restart_sec=10, restart_max_delay=60, start_limit_interval=600, watchdog_sec=120, start_limit_burst=5
    )
    workload = Workload("e", "vllm", "box", "a:1", ("x",), restart)
    found = [finding.problem.split()[0] for finding in mapping.restart_findings(workload)]
    assert found == ["restart_sec", "restart_max_delay", "start_limit_interval", "watchdog_sec", "start_limit_burst"]


def test_gpus_are_named_to_the_runtime() -> None:
    (request,) = mapped(device="cuda", gpus=("GPU-a", "GPU-b"))["device_requests"]
    assert request["device_ids"] == ["GPU-a", "GPU-b"]
    assert [device["host_path"] for device in mapped(device="rocm", gpus=("0",))["devices"]] == ["/dev/kfd", "/dev/dri"]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (60, "1m0s"), (600, "10m0s"), (3661, "1h1m1s")])
def test_durations_are_written_as_go_reads_them_back(seconds: float, text: str) -> None:
    made = mapped(probe=Probe(8000, "/health", interval_s=seconds))
    assert made["healthcheck"]["interval"] == text


def test_sizes_are_mebibytes_as_the_provider_wants() -> None:
    made = mapped(memory_bytes=2 * 2**30, shm_bytes=512 * 2**20)
    assert (made["memory"], made["memory_swap"], made["shm_size"]) == (2048, 2048, 512)
