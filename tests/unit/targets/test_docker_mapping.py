from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.config.restart import Restart
from infra.config.secrets import SecretRef
from infra.services.base import ConfigFile, Probe, Published, Volume, Workload, secret_file
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


def test_secrets_as_files_are_no_environment(tmp_path: Path) -> None:
    """Beside those that are: what is exported is a folder of its own, and without any the program is started as it is."""
    path = secret_file(SecretRef("smtpPassword"))
    one = Workload("e", "x", "box", "a:1", ("x",), Restart(), secret_files={path: SecretRef("smtpPassword")})
    assert mapping.secret_uploads(one) == {path: SecretRef("smtpPassword")}
    assert mapping.container(one, NAMES, tmp_path)["entrypoints"] == ["x"]
    both = replace(one, secret_environment={"KEY": SecretRef("engineKey")})
    assert set(mapping.secret_uploads(both)) == {path, f"{mapping.SECRET_DIRECTORY}/KEY"}
    assert not path.startswith(f"{mapping.SECRET_DIRECTORY}/")
    assert {secret.name for secret in both.secrets} == {"smtpPassword", "engineKey"}
    made = mapping.container(both, NAMES, tmp_path)
    assert made["envs"] == []
    assert {upload["file"]: upload["content"] for upload in made["uploads"]} == mapping.secret_uploads(both)


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


CUDA = {"device": "cuda", "gpus": ("GPU-a", "GPU-b")}
ROCM = {"device": "rocm", "gpus": ("GPU-a", "GPU-b")}


def test_a_request_names_its_cards_to_the_driver() -> None:
    made = mapped(**CUDA)
    assert made["device_requests"] == [
        {"driver": "nvidia", "device_ids": ["GPU-a", "GPU-b"], "capabilities": ["gpu"]},
    ]
    assert "runtime" not in made
    assert made["envs"] == []


def test_cdi_devices_have_the_makers_name_before_their_own() -> None:
    made = mapped(**CUDA, gpu_access="cdi")
    assert made["device_requests"] == [
        {"driver": "cdi", "device_ids": ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"]},
    ]
    assert "runtime" not in made


def test_the_runtime_reads_cards_from_the_environment() -> None:
    made = mapped(**CUDA, gpu_access="runtime", environment={"A": "1"})
    assert made["runtime"] == "nvidia"
    assert "device_requests" not in made
    assert made["envs"] == [
        "A=1",
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "NVIDIA_VISIBLE_DEVICES=GPU-a,GPU-b",
    ]


def test_an_amd_engine_gets_its_own_cards_where_they_are_known_and_else_is_told_which_they_are() -> None:
    own = mapped(**ROCM, device_nodes=("/dev/dri/renderD128", "/dev/dri/renderD129"), device_groups=(44, 992))
    paths = [device["host_path"] for device in own["devices"]]
    assert paths == ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"]
    assert (own["group_adds"], own["envs"]) == (["44", "992"], [])
    every = mapped(**ROCM)
    assert [device["host_path"] for device in every["devices"]] == ["/dev/kfd", "/dev/dri"]
    assert (every["group_adds"], every["envs"]) == (["video", "render"], ["ROCR_VISIBLE_DEVICES=GPU-a,GPU-b"])
    assert own["security_opts"] == every["security_opts"] == ["seccomp=unconfined"]


@pytest.mark.parametrize("access", ["device-request", "cdi", "runtime"])
def test_a_container_without_cards_asks_for_none(access: str) -> None:
    made = mapped(gpu_access=access, capabilities=("SYS_NICE",))
    assert not {"device_requests", "runtime", "devices"} & set(made)
    assert made["envs"] == []
    assert made["capabilities"] == {"adds": ["CAP_SYS_NICE"]}
    assert "capabilities" not in mapped()


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (60, "1m0s"), (600, "10m0s"), (3661, "1h1m1s")])
def test_durations_are_written_as_go_reads_them_back(seconds: float, text: str) -> None:
    made = mapped(probe=Probe(8000, "/health", interval_s=seconds))
    assert made["healthcheck"]["interval"] == text


def test_sizes_are_mebibytes_as_the_provider_wants() -> None:
    made = mapped(memory_bytes=2 * 2**30, shm_bytes=512 * 2**20)
    assert (made["memory"], made["memory_swap"], made["shm_size"]) == (2048, 2048, 512)
