"""Docker itself: whether it answers, is new enough, holds what it promises, and can give cards away."""

from __future__ import annotations

import re
from typing import Final

from infra.doctor.asked import Asked, is_built
from infra.doctor.finding import error, listed, notice, warning
from infra.doctor.report import Daemon, HostReport
from infra.errors import Finding

# Requests for devices, by which containers get cards, are in the API since 1.40 (Docker 19.03).
_LEAST_API: Final = (1, 40)
# The oldest that Hearth's own tests run on: Docker 20.10.
_PROVED_API: Final = (1, 41)
_CDI_IS_ON: Final = (28, 2)
_CDI_IS_THERE: Final = (25, 0)
# moby pull request 50228: a request for NVIDIA's cards is served by CDI where it can be.
_REQUESTS_BY_CDI: Final = (29, 2)
_TOOLKIT: Final = "install the NVIDIA Container Toolkit and restart Docker"
_REFUSED: Final = "permission denied"


def docker(asked: Asked, report: HostReport) -> Finding | None:
    """Docker answers, and its API has what containers of a stack need."""
    daemon = report.daemon
    if daemon is None:
        fix = (
            "let this user talk to it: `sudo usermod -aG docker $USER`, then log in anew"
            if _REFUSED in report.daemon_said.lower()
            else "install Docker Engine and its docker command there, and start it"
            if "is not there" in report.daemon_said
            else "start it (`systemctl start docker`); where it listens elsewhere, mend DOCKER_HOST"
        )
        return error(asked, f"no Docker answers: {report.daemon_said}", fix)
    api = _version(daemon.api)
    told = f"Docker {daemon.version} speaks API {daemon.api}"
    if api and api < _LEAST_API:
        return error(asked, f"{told}; containers are declared in that of 19.03 (1.40)", "install a newer Docker Engine")
    if api and api < _PROVED_API:
        return warning(asked, f"{told}; nothing before 20.10 (1.41) is tested", "install a newer Docker Engine")
    return None


def images(asked: Asked, report: HostReport) -> Finding | None:
    """Images that are made from packages are there: no registry has them."""
    lacking = [image for image in asked.images if is_built(image) and image not in report.images]
    if report.daemon is None or not lacking:
        return None
    problem = f"{len(lacking)} images that are built from packages aren't there: {listed(lacking)}"
    if not asked.is_remote:
        return notice(asked, problem, f"`make up STACK={asked.stack}` builds them")
    return error(asked, problem, "copy each: `docker save IMAGE | ssh HOST docker load`, or use official images")


def toolkit(asked: Asked, report: HostReport) -> Finding | None:
    """Docker can give NVIDIA's cards away in the way that gpu_access says."""
    daemon = report.daemon
    access = {workload.gpu_access for workload in asked.on_cards("cuda")}
    if daemon is None or not access:
        return None
    if "cdi" in access:
        return _cdi(asked, daemon)
    if "runtime" in access and "nvidia" not in daemon.runtimes:
        problem = f"Docker {daemon.version} has no runtime named nvidia, which gpu_access: runtime needs"
        return error(asked, problem, "run `nvidia-ctk runtime configure --runtime=docker` there and restart Docker")
    by_cdi = _version(daemon.version) >= _REQUESTS_BY_CDI and bool(_by_cdi(daemon))
    if "device-request" in access and not (report.has_hook or "nvidia" in daemon.runtimes or by_cdi):
        problem = f"Docker {daemon.version} can't give cards away: neither the nvidia runtime nor its hook is there"
        return error(asked, problem, _TOOLKIT)
    return None


def _cdi(asked: Asked, daemon: Daemon) -> Finding | None:
    version = _version(daemon.version)
    if version < _CDI_IS_THERE or (version < _CDI_IS_ON and not daemon.reads_cdi):
        problem = f"gpu_access is cdi, and Docker {daemon.version} doesn't read CDI devices (on by itself since 28.2)"
        fix = 'install Docker 28.2 or newer, or set {"features": {"cdi": true}} in daemon.json (25 to 28.1)'
        return error(asked, problem, fix)
    if version < _CDI_IS_ON:
        return None  # It reads them, and has no way to list them.
    wanted = {f"nvidia.com/gpu={card}" for workload in asked.on_cards("cuda") for card in workload.gpus}
    lacking = sorted(wanted - _by_cdi(daemon))
    if not lacking:
        return None
    problem = f"gpu_access is cdi, and Docker lists {len(_by_cdi(daemon))} CDI devices without {listed(lacking)}"
    fix = "run `nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml` there"
    return error(asked, problem, fix)


def _by_cdi(daemon: Daemon) -> set[str]:
    return {name for name in daemon.cdi_devices if name.startswith("nvidia.com/gpu=")}


def card_loss(asked: Asked, report: HostReport) -> Finding | None:
    """Containers keep their cards when systemd reloads its units, as every package update makes it do."""
    daemon = report.daemon
    by_hook = [workload for workload in asked.on_cards("cuda") if workload.gpu_access != "cdi"]
    if daemon is None or not by_hook or daemon.cgroup_driver != "systemd":
        return None
    if _version(daemon.version) >= _REQUESTS_BY_CDI and _by_cdi(daemon):
        return None
    problem = (
        "containers get cards by the nvidia hook under systemd's cgroups: `systemctl daemon-reload` can take the cards "
        f"of {listed(workload.instance for workload in by_hook)} away while they run (NVML: Unknown Error)"
    )
    path = f"hearth:inventory.hosts.{asked.host}.gpu_access"
    fix = (
        f'set {path}: cdi (Docker 28.2 and newer), or {{"exec-opts": ["native.cgroupdriver=cgroupfs"]}} in daemon.json'
    )
    return warning(asked, problem, fix)


def limits(asked: Asked, report: HostReport) -> Finding | None:
    """The kernel holds containers to the memory and the cores that are declared for them."""
    daemon = report.daemon
    if daemon is None:
        return None
    lost = []
    if not daemon.limits_memory and any(workload.memory_bytes for workload in asked.workloads):
        lost.append("memory")
    if daemon.limits_memory and not daemon.limits_swap and any(workload.memory_bytes for workload in asked.workloads):
        lost.append("swap")
    if not daemon.has_cpu_sets and any(workload.cpu_set for workload in asked.workloads):
        lost.append("cores")
    if not lost:
        return None
    problem = f"Docker can't limit {' and '.join(lost)} here, so that one container can take the others' share"
    return warning(asked, problem, "boot with cgroup_enable=memory swapaccount=1, or with cgroup v2")


def cgroups(asked: Asked, report: HostReport) -> Finding | None:
    """Control groups are version 2."""
    daemon = report.daemon
    if daemon is None or daemon.cgroup_version != "1":
        return None
    problem = "control groups are version 1, which newer systemd (258) and Docker have dropped or will"
    return notice(asked, problem, "boot with systemd.unified_cgroup_hierarchy=1 when the system is next renewed")


def _version(text: str) -> tuple[int, ...]:
    """Return a version's first two numbers; empty for what is none, which is older than everything."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else ()
