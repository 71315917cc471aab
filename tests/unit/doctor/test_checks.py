"""Every check fires on what it is for, with the numbers and the edit that mends it, and is quiet beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from images import recipes
from infra.doctor.asked import Asked
from infra.doctor.checks import CHECKS, CONNECTION, KNOWN_HOSTS, examine
from infra.doctor.report import CardUser, HostReport, Listener, Running
from infra.errors import Severity
from infra.facts.machine import FileSystem
from infra.interval import GIB, Interval
from infra.services.base import Volume
from tests.unit.doctor.given import CARDS, DAEMON, UUIDS, amd_asked, fleet, report, with_section, with_workloads

FRONT, GPU, AMD = fleet()["front"], fleet()["gpu-a"], amd_asked()
# Without exporters, which are given every card.
ENGINE_ALONE = replace(GPU, workloads=GPU.engines)
OLD = tuple(replace(card, driver="550.90.07") for card in CARDS)
COMPATIBLE = {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}
ENGINE = "vllm/vllm-openai:v0.32.0"
OWN_ID, OTHER_ID = "a" * 64, "b" * 64
OWN = Running(OWN_ID, "mine", "chat", "hearth-mine-chat")
WAY = "10.0.0.11:9470"
Case = tuple[Asked, dict[str, Any]]


def daemon(**changes: Any) -> dict[str, Any]:
    return {"daemon": replace(DAEMON, **changes)}


def local(asked: Asked) -> Asked:
    return with_section(asked, connection="local")


def built_images(asked: Asked) -> Asked:
    image = recipes.reference("nginx")
    return replace(asked, workloads=tuple(replace(one, image=image) for one in asked.workloads))


def reading(asked: Asked, path: str) -> Asked:
    return with_workloads(asked, volumes=(Volume("models", "/models", path, read_only=True),))


# name of the check, what is asked and answered, how it ends, and words that must be told
FIRES: list[tuple[str, Case, Severity, str]] = [
    ("connection", (GPU, {"problem": "can't be reached: no", "fix": "plug it in"}), Severity.ERROR, "Plug it in."),
    (
        "known hosts",
        (with_section(GPU, ssh_options=["-o", "StrictHostKeyChecking=no"]), {}),
        Severity.WARNING,
        "StrictHostKeyChecking=no",
    ),
    (
        "docker",
        (GPU, {"daemon": None, "daemon_said": "permission denied while trying to connect"}),
        Severity.ERROR,
        "usermod -aG docker",
    ),
    ("docker", (GPU, {"daemon": None, "daemon_said": "docker is not there"}), Severity.ERROR, "Install Docker Engine"),
    ("docker", (GPU, {"daemon": None, "daemon_said": "Cannot connect"}), Severity.ERROR, "mend DOCKER_HOST"),
    ("docker", (GPU, daemon(version="18.09.1", api="1.39")), Severity.ERROR, "speaks API 1.39"),
    ("docker", (GPU, daemon(version="19.03.1", api="1.40")), Severity.WARNING, "nothing before 20.10"),
    ("images", (built_images(FRONT), {}), Severity.ERROR, recipes.reference("nginx")),
    ("images", (local(built_images(FRONT)), {}), Severity.NOTICE, "`make up STACK=mine` builds them"),
    ("driver", (GPU, {"cards": OLD}), Severity.ERROR, f"550.90.07, and {ENGINE} (CUDA 13) needs 580 or newer"),
    (
        "driver",
        (with_workloads(GPU, environment=COMPATIBLE), {"cards": OLD}),
        Severity.NOTICE,
        "makes it do on data-centre cards",
    ),
    (
        "driver",
        (GPU, {"cards": (), "card_trouble": "NVIDIA-SMI has failed"}),
        Severity.ERROR,
        "tells of no card: NVIDIA-SMI has failed",
    ),
    ("device files", (AMD, {"has_kfd": False}), Severity.ERROR, "/dev/kfd"),
    ("device files", (AMD, {"render_nodes": ("/dev/dri/renderD129",)}), Severity.ERROR, "/dev/dri/renderD128"),
    (
        "device files",
        (AMD, {"device_groups": (44, 105)}),
        Severity.ERROR,
        "device_groups has 992, and video and render are 44, 105",
    ),
    (
        "container toolkit",
        (GPU, {**daemon(runtimes=("runc",), cdi_devices=()), "has_hook": False}),
        Severity.ERROR,
        "neither the nvidia runtime nor its hook",
    ),
    (
        "container toolkit",
        (with_workloads(GPU, gpu_access="cdi"), daemon(version="28.0.1", reads_cdi=False)),
        Severity.ERROR,
        "on by itself since 28.2",
    ),
    (
        "container toolkit",
        (with_workloads(GPU, gpu_access="cdi"), daemon(cdi_devices=("nvidia.com/gpu=0", "nvidia.com/gpu=all"))),
        Severity.ERROR,
        f"2 CDI devices without nvidia.com/gpu={UUIDS[0]}",
    ),
    (
        "container toolkit",
        (with_workloads(GPU, gpu_access="runtime"), daemon(runtimes=("runc",))),
        Severity.ERROR,
        "no runtime named nvidia",
    ),
    ("cards", (GPU, {"cards": CARDS[1:]}), Severity.ERROR, f"card {UUIDS[0]} (H100-80GB) isn't there"),
    (
        "cards",
        (GPU, {"cards": (replace(CARDS[0], model="NVIDIA A100-SXM4-80GB"), *CARDS[1:])}),
        Severity.ERROR,
        "is a NVIDIA A100-SXM4-80GB, not a H100-80GB",
    ),
    ("cards", (GPU, {"cards": (replace(CARDS[0], mig_on=True), *CARDS[1:])}), Severity.ERROR, "is split (MIG)"),
    (
        "card order",
        (GPU, {"cards": (replace(CARDS[0], index=3), replace(CARDS[3], index=0))}),
        Severity.NOTICE,
        f"{UUIDS[0]} from 0 to 3",
    ),
    (
        "card order",
        (GPU, {"cards": (*CARDS, replace(CARDS[0], id="GPU-new", index=4))}),
        Severity.NOTICE,
        "the inventory lacks: GPU-new",
    ),
    (
        "card users",
        (GPU, {"card_users": (CardUser(41, "python3", 12 * GIB, UUIDS[0]),)}),
        Severity.WARNING,
        f"12.0 GiB of the engines' cards: python3 (pid 41, card {UUIDS[0]})",
    ),
    (
        "card users",
        (
            GPU,
            {
                "containers": (OWN, Running(OTHER_ID, "", "", "comfy")),
                "card_users": (CardUser(41, "python3", GIB, UUIDS[0], OTHER_ID),),
            },
        ),
        Severity.WARNING,
        "in container comfy",
    ),
    ("card loss", (GPU, daemon(version="28.3.2")), Severity.WARNING, "daemon-reload"),
    (
        "ports",
        (FRONT, {"listeners": (Listener("0.0.0.0", 8080, "java"),)}),
        Severity.ERROR,
        "10.0.0.10:8080 (nginx) by java",
    ),
    (
        "ports",
        (FRONT, {"containers": (Running(OTHER_ID, "", "", "old", (("::", 8080),)),)}),
        Severity.ERROR,
        "by container old",
    ),
    ("ports", (FRONT, {"listeners": None}), Severity.NOTICE, "can't be told"),
    (
        "addresses",
        (GPU, {"addresses": ("127.0.0.1", "10.0.0.99", "fe80::1")}),
        Severity.ERROR,
        "10.0.0.11 isn't an address of this host",
    ),
    ("addresses", (FRONT, {"addresses": None}), Severity.NOTICE, "can't be told"),
    ("routes", (FRONT, {"routes": {"10.0.0.11": ""}}), Severity.ERROR, "no way to gpu-a (10.0.0.11)"),
    (
        "routes",
        (FRONT, {"routes": {"10.0.0.11": "192.168.0.5"}}),
        Severity.ERROR,
        "comes to gpu-a from 192.168.0.5, and only 10.0.0.10 is let in",
    ),
    ("other hosts", (FRONT, {"reached": {WAY: "no-way"}}), Severity.ERROR, f"can't reach gpu-a ({WAY})"),
    ("other hosts", (FRONT, {"reached": {WAY: "silent"}}), Severity.WARNING, "once it does"),
    ("other hosts", (FRONT, {"reached": {WAY: "silent"}, "containers": (OWN,)}), Severity.ERROR, "something between"),
    ("other hosts", (FRONT, {"reached": {WAY: "refused"}, "containers": (OWN,)}), Severity.WARNING, "doesn't run"),
    ("other hosts", (FRONT, {"reached": {}}), Severity.NOTICE, "can't be told"),
    ("hub", (GPU, {"names": {"huggingface.co": False}}), Severity.ERROR, "hearth:prefetch.endpoint"),
    (
        "hub",
        (GPU, {"names": {"huggingface.co": False}, "volumes": frozenset({"hearth-mine-hub-cache"})}),
        Severity.WARNING,
        "huggingface.co",
    ),
    ("registries", (GPU, {"names": {"registry-1.docker.io": False}}), Severity.ERROR, "registry-1.docker.io"),
    (
        "disk",
        (GPU, {"disks": {"/data/docker": FileSystem("/dev/md0", "/data", 3576 * GIB, 30 * GIB)}}),
        Severity.ERROR,
        "30 GiB are free at /data/docker",
    ),
    (
        "disk",
        (
            GPU,
            {
                "disks": {"/data/docker": FileSystem("/dev/md0", "/data", 3576 * GIB, 10 * GIB)},
                "volumes": frozenset({"hearth-mine-hub-cache"}),
                "images": dict.fromkeys(GPU.images, GIB),
            },
        ),
        Severity.WARNING,
        "may have some already",
    ),
    ("disk", (GPU, {"disks": {}}), Severity.NOTICE, "can't be told"),
    (
        "data root",
        (GPU, {"disks": {"/data/docker": FileSystem("/dev/vda", "/", 250 * GIB, 200 * GIB)}}),
        Severity.WARNING,
        "is on /dev/vda (/) with 250 GiB, and hearth:inventory.hosts.gpu-a.disks says 3576",
    ),
    ("data root", (GPU, {"docker_root": "/var/lib/docker"}), Severity.WARNING, "data root is /var/lib/docker"),
    ("directories", (reading(GPU, "/models/x"), {"directories": {"/models/x": False}}), Severity.ERROR, "/models/x"),
    (
        "directories",
        (local(reading(GPU, "models/x")), {"directories": {"/srv/hearth/models/x": False}}),
        Severity.NOTICE,
        "/srv/hearth/models/x",
    ),
    (
        "memory",
        (GPU, {"memory_bytes": 503 * GIB}),
        Severity.ERROR,
        "has 503.0 GiB of memory, and the inventory says 1007",
    ),
    (
        "memory of the plan",
        (replace(GPU, ram=Interval(600 * GIB, 700 * GIB, 800 * GIB)), {"memory_bytes": 512 * GIB}),
        Severity.ERROR,
        "about 700.0 GiB of memory (600.0 at least), of 512.0",
    ),
    (
        "memory of the plan",
        (replace(GPU, ram=Interval(400 * GIB, 700 * GIB, 800 * GIB)), {"memory_bytes": 512 * GIB}),
        Severity.WARNING,
        "about 700.0",
    ),
    ("free memory", (GPU, {"available_bytes": GIB}), Severity.WARNING, "1.0 of 1007.0 GiB memory are free"),
    (
        "shared memory",
        (with_workloads(GPU, shm_bytes=20 * GIB), {"memory_bytes": 16 * GIB}),
        Severity.WARNING,
        "may grow to 20.0 GiB, of 16.0",
    ),
    ("overcommit", (GPU, {"overcommit": 2}), Severity.WARNING, "vm.overcommit_memory is 2"),
    ("limits", (with_workloads(GPU, memory_bytes=GIB), daemon(limits_memory=False)), Severity.WARNING, "limit memory"),
    ("limits", (with_workloads(GPU, memory_bytes=GIB), daemon(limits_swap=False)), Severity.WARNING, "limit swap"),
    ("limits", (with_workloads(GPU, cpu_set="0-3"), daemon(has_cpu_sets=False)), Severity.WARNING, "limit cores"),
    ("cgroups", (GPU, daemon(cgroup_version="1")), Severity.NOTICE, "version 1"),
    ("clock", (GPU, {"clock_s": (2.4, 3.1)}), Severity.WARNING, "its clock is 2 s ahead of this machine's"),
    ("clock", (GPU, {"clock_s": (-47.0, -46.0)}), Severity.ERROR, "46 s behind"),
]

OTHERS_PORT = Listener("127.0.0.1", 8080, "java")
# what looks alike, and is well
QUIET: list[tuple[str, Case]] = [
    ("connection", (GPU, {})),
    ("known hosts", (with_section(GPU, ssh_options=["-o", "StrictHostKeyChecking=accept-new"]), {})),
    ("docker", (GPU, daemon(version="20.10.24+dfsg1", api="1.41"))),
    ("images", (built_images(FRONT), {"images": {recipes.reference("nginx"): GIB}})),
    ("driver", (replace(GPU, floors={}), {"cards": OLD})),
    ("device files", (AMD, {})),
    ("container toolkit", (GPU, {**daemon(runtimes=("runc",)), "has_hook": False})),
    ("container toolkit", (with_workloads(GPU, gpu_access="cdi"), {})),
    ("container toolkit", (with_workloads(GPU, gpu_access="cdi"), daemon(version="27.5.1", cdi_devices=()))),
    ("container toolkit", (GPU, daemon(version="27.5.1", cdi_devices=(), runtimes=("nvidia",)))),
    # Nothing of the stack runs on the last card.
    ("cards", (ENGINE_ALONE, {"cards": CARDS[:3]})),
    ("card order", (GPU, {})),
    (
        "card users",
        (GPU, {"containers": (OWN,), "card_users": (CardUser(41, "VLLM::EngineCore", 70 * GIB, UUIDS[0], OWN_ID),)}),
    ),
    ("card users", (GPU, {"card_users": (CardUser(41, "python3", GIB, UUIDS[3]),)})),
    ("card loss", (GPU, daemon(version="28.3.2", cgroup_driver="cgroupfs"))),
    ("card loss", (with_workloads(ENGINE_ALONE, gpu_access="cdi"), daemon(version="28.3.2"))),
    ("card loss", (GPU, {})),
    ("ports", (FRONT, {"listeners": (OTHERS_PORT,)})),
    (
        "ports",
        (
            FRONT,
            {
                "listeners": (Listener("10.0.0.10", 8080, "docker-proxy"),),
                "containers": (Running(OWN_ID, "mine", "nginx", "hearth-mine-nginx", (("10.0.0.10", 8080),)),),
            },
        ),
    ),
    ("addresses", (GPU, {})),
    ("routes", (FRONT, {})),
    ("other hosts", (FRONT, {"reached": {WAY: "refused"}})),
    ("other hosts", (FRONT, {"reached": {WAY: "open"}, "containers": (OWN,)})),
    ("hub", (GPU, {})),
    ("registries", (GPU, {"names": {"registry-1.docker.io": False}, **daemon(has_proxy=True)})),
    ("registries", (GPU, {"names": {}, "images": dict.fromkeys(GPU.images, GIB)})),
    (
        "disk",
        (
            GPU,
            {
                "disks": {"/data/docker": FileSystem("/dev/md0", "/data", 3576 * GIB, 10 * GIB)},
                "images": dict.fromkeys(GPU.images, GIB),
                "volumes": frozenset({"hearth-mine-hub-cache"}),
                "fetched_bytes": 16 * GIB,
            },
        ),
    ),
    ("data root", (GPU, {})),
    ("directories", (reading(GPU, "/models/x"), {"directories": {"/models/x": True}})),
    ("memory", (GPU, {"memory_bytes": 1000 * GIB})),
    ("memory of the plan", (GPU, {})),
    ("free memory", (GPU, {"available_bytes": GIB, "containers": (OWN,)})),
    ("shared memory", (with_workloads(GPU, shm_bytes=10 * GIB), {"memory_bytes": 16 * GIB})),
    ("overcommit", (GPU, {"overcommit": 1})),
    ("limits", (with_workloads(ENGINE_ALONE, memory_bytes=None), daemon(limits_swap=False, has_cpu_sets=False))),
    ("cgroups", (GPU, {})),
    # The login took three seconds: where the clock is within them, nobody knows.
    ("clock", (GPU, {"clock_s": (-0.5, 2.9)})),
]
ALL = {check.name: check for check in (CONNECTION, KNOWN_HOSTS, *CHECKS)}


def identified(case: tuple[Any, ...]) -> str:
    return str(case[0])


@pytest.mark.parametrize("case", FIRES, ids=identified)
def test_a_check_tells_what_is_wrong_and_what_mends_it(case: tuple[str, Case, Severity, str]) -> None:
    name, (asked, answers), severity, words = case
    finding = ALL[name].look(asked, report(asked, **answers))
    assert finding is not None
    assert finding.severity is severity
    assert words in str(finding)
    assert finding.path == f"host {asked.host}"
    assert finding.fix
    assert not finding.fix.endswith(".")
    assert not finding.problem.endswith(".")


@pytest.mark.parametrize("case", QUIET, ids=identified)
def test_a_check_is_quiet_about_what_only_looks_alike(case: tuple[str, Case]) -> None:
    name, (asked, answers) = case
    assert ALL[name].look(asked, report(asked, **answers)) is None


def test_every_check_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert {case[0] for case in FIRES} == set(ALL)
    assert {case[0] for case in QUIET} == set(ALL)


@pytest.mark.parametrize("asked", [FRONT, GPU, AMD], ids=lambda asked: str(asked.host))
def test_on_hosts_where_all_is_well_nothing_is_told(asked: Asked) -> None:
    told = examine(asked, report(asked))
    assert [one for one in told if one.finding is not None] == []
    assert {one.check for one in told} == set(ALL)


def test_checks_of_cards_are_skipped_where_there_are_none() -> None:
    skipped = {one.check for one in examine(FRONT, report(FRONT)) if one.is_skipped}
    assert {"driver", "cards", "container toolkit", "hub"} <= skipped
    assert "other hosts" not in skipped
    assert "other hosts" in {one.check for one in examine(GPU, report(GPU)) if one.is_skipped}


def test_of_a_host_that_cannot_be_asked_nothing_else_is_claimed() -> None:
    told = examine(GPU, HostReport(0.0, "can't be reached: no", "plug it in"))
    assert [one.check for one in told if one.finding is not None] == ["connection"]
    by_name = {one.check: one for one in told}
    assert by_name["docker"].is_unknown
    assert by_name["device files"].is_skipped


@pytest.mark.parametrize("look", [check.look for check in ALL.values()], ids=list(ALL))
def test_a_host_that_answers_nothing_of_use_breaks_no_check(look: Callable[..., object]) -> None:
    for asked in (FRONT, GPU, AMD):
        look(asked, HostReport(0.0))
