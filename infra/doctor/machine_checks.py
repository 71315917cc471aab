"""The machine: disk, memory, clock and kernel."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from infra.doctor.asked import Asked, is_built, is_for_cards
from infra.doctor.finding import error, listed, notice, warning
from infra.doctor.report import HostReport
from infra.errors import Finding
from infra.interval import GIB

# docker image ls: vLLM for CUDA unpacks to 20 GiB and more, Open WebUI to 4, exporters to a tenth of one.
_CARD_IMAGE_BYTES: Final = 25 * GIB
_IMAGE_BYTES: Final = 2 * GIB
# File systems are told in other units, and lose some of their size to themselves.
_SIZE_SHARE: Final = 0.05
# The kernel keeps some of what is built in: an inventory by hand says the latter.
_MEMORY_SHARE: Final = 0.05
_LATE_S: Final = 2.0
_WRONG_S: Final = 30.0
_STRICT: Final = 2


def disk(asked: Asked, report: HostReport) -> Finding | None:
    """Docker's data root has room for the images and models that aren't there yet."""
    place = report.disks.get(report.docker_root)
    if report.daemon is None:
        return None
    if place is None:
        return notice(asked, f"what is free at {report.docker_root} can't be told", "install df of coreutils there")
    absent = [image for image in asked.images if image not in report.images and not is_built(image)]
    images = float(sum(_CARD_IMAGE_BYTES if is_for_cards(image) else _IMAGE_BYTES for image in absent))
    models = sum(asked.models.values())
    is_begun = asked.hub_volume in report.volumes
    left = max(0.0, models - (report.fetched_bytes or 0)) if is_begun else models
    if images + left <= place.free_bytes:
        return None
    problem = (
        f"{place.free_bytes / GIB:.0f} GiB are free at {report.docker_root}, and about {(images + left) / GIB:.0f} are "
        f"wanted: {images / GIB:.0f} for {len(absent)} images, {left / GIB:.0f} for {len(asked.models)} models"
    )
    fix = "make room (`docker image prune` takes what nothing runs), or move Docker's data-root to a larger disk"
    if images <= place.free_bytes and is_begun and report.fetched_bytes is None:
        return warning(asked, f"{problem}, of which the hub's volume may have some already", fix)
    return error(asked, problem, fix)


def data_root(asked: Asked, report: HostReport) -> Finding | None:
    """Docker keeps its data where the inventory says, and that is the file system that people think."""
    written = {disk.path: disk for disk in asked.section.disks}
    if not written or report.daemon is None:
        return None
    path = f"hearth:inventory.hosts.{asked.host}.disks"
    inside = [name for name in written if PurePosixPath(report.docker_root).is_relative_to(name)]
    if not inside:
        problem = f"Docker's data root is {report.docker_root}, and {path} has {listed(sorted(written))}"
        return warning(asked, problem, "set data-root in daemon.json there, or mend the inventory")
    absent = [name for name in written if name not in report.disks]
    if absent:
        return warning(asked, f"{listed(absent)} isn't there, and {path} has it", "mount it, or mend the inventory")
    for name, disk in written.items():
        there = report.disks[name]
        if abs(there.size_bytes / disk.size - 1) > _SIZE_SHARE:
            problem = (
                f"{name} is on {there.source} ({there.target}) with {there.size_bytes / GIB:.0f} GiB, "
                f"and {path} says {disk.size / GIB:.0f}"
            )
            return warning(asked, problem, "mount the disk that is meant, or mend the inventory")
    return None


def memory(asked: Asked, report: HostReport) -> Finding | None:
    """The host has the memory that the inventory says."""
    written, there = asked.section.memory, report.memory_bytes
    if written is None or there is None or there >= written * (1 - _MEMORY_SHARE):
        return None
    problem = f"has {there / GIB:.1f} GiB of memory, and the inventory says {written / GIB:.1f}"
    return error(
        asked, problem, f"set hearth:inventory.hosts.{asked.host}.memory: {there / GIB:.1f}GiB, and plan again"
    )


def plan_memory(asked: Asked, report: HostReport) -> Finding | None:
    """The host's memory holds what the plan says its engines take."""
    there, ram = report.memory_bytes, asked.ram
    if there is None or ram.value <= there:
        return None
    problem = f"its engines take about {ram.value / GIB:.1f} GiB of memory ({ram.low / GIB:.1f} at least), of {there / GIB:.1f}"
    fix = "place one of them on another host, or give them smaller caches (kv_cache)"
    return error(asked, problem, fix) if ram.low > there else warning(asked, problem, fix)


def free_memory(asked: Asked, report: HostReport) -> Finding | None:
    """What the engines take is free, as long as none of the stack runs."""
    free, there, ram = report.available_bytes, report.memory_bytes, asked.ram
    if free is None or there is None or report.own(asked.stack) or ram.value <= free or ram.value > there:
        return None
    problem = (
        f"{free / GIB:.1f} of {there / GIB:.1f} GiB memory are free, and its engines take about {ram.value / GIB:.1f}"
    )
    return warning(asked, problem, "end what else runs there, or place engines on another host")


def shared_memory(asked: Asked, report: HostReport) -> Finding | None:
    """Shared memory of the containers, which is memory as it is used, fits in the machine."""
    there = report.memory_bytes
    shm = {one.instance: one.shm_bytes for one in asked.workloads if one.shm_bytes}
    total = sum(shm.values())
    if there is None or total <= there:
        return None
    problem = (
        f"shared memory of {listed(sorted(shm))} may grow to {total / GIB:.1f} GiB, of {there / GIB:.1f} GiB memory"
    )
    return warning(asked, problem, "set shm of these models to less; 1GiB is the least for several cards")


def overcommit(asked: Asked, report: HostReport) -> Finding | None:
    """The kernel lets programs reserve more than they use, as CUDA and vLLM do."""
    if report.overcommit != _STRICT or not asked.engines:
        return None
    problem = "vm.overcommit_memory is 2, and engines reserve tens of GiB of addresses that they never use"
    return warning(asked, problem, "`sysctl vm.overcommit_memory=0`, and the same in /etc/sysctl.d")


def clock(asked: Asked, report: HostReport) -> Finding | None:
    """Its clock agrees with this machine's, as far as the connection's own time lets anybody tell."""
    if report.clock_s is None:
        return None
    low, high = report.clock_s
    off = low if low > 0 else high if high < 0 else 0.0
    if abs(off) <= _LATE_S:
        return None
    way = "ahead of" if off > 0 else "behind"
    problem = f"its clock is {abs(off):.0f} s {way} this machine's"
    fix = "let both follow a time server (`timedatectl set-ntp true`); all hosts off by the same: it is this machine"
    if abs(off) > _WRONG_S:
        return error(asked, f"{problem}: certificates and sign-on are refused, samples are dropped", fix)
    return warning(asked, problem, fix)


def directories(asked: Asked, report: HostReport) -> Finding | None:
    """Directories that containers only read are there."""
    lacking = [path for path in asked.read_directories if report.directories.get(path) is False]
    if not lacking:
        return None
    problem = f"{listed(lacking)} isn't there, and containers read it"
    if not asked.is_remote:
        return notice(asked, problem, "`make up` brings the models of the local stack; else copy it there")
    return error(asked, problem, "copy it to the host, or mend the path")
