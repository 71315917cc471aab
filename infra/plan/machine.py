"""The ledger of what isn't a card: RAM, cores and disks of each host, and the engines that run on CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.config.inventory import Host
from infra.config.types import cores_of
from infra.interval import GIB, Interval
from infra.memory.cpu import CpuJudgement, judge_cpu
from infra.memory.engine import EngineSpec
from infra.memory.verdict import Verdict
from infra.memory.weights import checkpoint_bytes

# Docker's data root: images of vLLM for CUDA unpack to 20 GiB and more, those for CPU to 4 (docker image ls).
_IMAGE_GPU_BYTES = 25 * GIB
_IMAGE_CPU_BYTES = 4 * GIB
_COMPILE_CACHE_BYTES = GIB
# A GPU engine's processes: Python, CUDA libraries and pinned buffers, per rank.
_HOST_PROCESS_BYTES = Interval(2.0 * GIB, 4.0 * GIB, 8.0 * GIB)


@dataclass(frozen=True, eq=False)
class CpuEntry:
    """One engine on CPU: its RAM, its cache and its verdict."""

    instance: str
    model: str
    spec: EngineSpec
    judgement: CpuJudgement
    verdict: Verdict
    reasons: tuple[str, ...]
    override: str | None
    cores: str | None

    @property
    def stops(self) -> bool:
        """Whether the plan must not be deployed because of this engine."""
        return self.verdict is Verdict.NO and self.override is None


@dataclass(frozen=True, eq=False)
class CpuEngine:
    """One engine that is placed on a host's cores, before it is judged."""

    instance: str
    model: str
    spec: EngineSpec
    cores: str | None
    override: str | None


@dataclass(frozen=True, eq=False)
class GpuEngine:
    """What one engine on cards wants of its host: processes per rank, and shared memory for their messages."""

    spec: EngineSpec
    shm_bytes: int


@dataclass(frozen=True, eq=False)
class Machine:
    """What is placed on a host."""

    name: str
    host: Host
    cpu_engines: tuple[CpuEngine, ...]
    gpu_engines: tuple[GpuEngine, ...]


@dataclass(frozen=True, eq=False)
class HostRow:
    """One host: RAM and disk that its engines need, against what it has (None: nobody said)."""

    name: str
    memory_bytes: int | None
    ram: Interval
    disk_bytes: float
    disk_free_bytes: int | None
    entries: tuple[CpuEntry, ...]
    notes: tuple[str, ...]


def host_row(machine: Machine) -> HostRow:
    """Judge the CPU engines of a host together, and sum up what its disks and RAM must hold."""
    memory = machine.host.memory
    ram = Interval.exact(0.0)
    entries = []
    for engine in machine.cpu_engines:
        judged = judge_cpu(engine.spec, memory)
        ram += judged.ram
        verdict, reasons = judged.verdict, judged.reasons
        if memory is not None and ram.low > memory and verdict is not Verdict.NO:
            text = f"the host's engines need {ram.value / GIB:.1f} of {memory / GIB:.1f} GiB RAM with this one"
            verdict, reasons = Verdict.NO, (text, *reasons)
        elif memory is not None and ram.high > memory and verdict is Verdict.FITS:
            text = f"the host's engines may need {ram.high / GIB:.1f} of {memory / GIB:.1f} GiB RAM"
            verdict, reasons = Verdict.TIGHT, (text, *reasons)
        entries.append(
            CpuEntry(
                engine.instance, engine.model, engine.spec, judged, verdict, reasons, engine.override, engine.cores
            )
        )
    for gpu in machine.gpu_engines:
        ranks = gpu.spec.parallel.tensor * gpu.spec.parallel.pipeline
        # Shared memory is RAM as far as it is used; little of it is.
        ram += _HOST_PROCESS_BYTES.scaled(ranks) + Interval(0.0, 0.0, gpu.shm_bytes)
    disk = _disk_bytes(machine)
    free = min((disk.free for disk in machine.host.disks if disk.free is not None), default=None)
    return HostRow(machine.name, memory, ram, disk, free, tuple(entries), tuple(_notes(machine, ram, disk, free)))


def _disk_bytes(machine: Machine) -> float:
    size = 0.0
    if machine.gpu_engines:
        size += _IMAGE_GPU_BYTES
    if machine.cpu_engines:
        size += _IMAGE_CPU_BYTES
    specs = [*(gpu.spec for gpu in machine.gpu_engines), *(cpu.spec for cpu in machine.cpu_engines)]
    for checkpoint in {spec.checkpoint for spec in specs}:
        if checkpoint.architecture is not None:
            size += checkpoint_bytes(checkpoint.architecture, checkpoint.quantization) + _COMPILE_CACHE_BYTES
    return size


def _notes(machine: Machine, ram: Interval, disk: float, free: int | None) -> Sequence[str]:
    notes = []
    if free is not None and disk > free:
        notes.append(f"images and models take {disk / GIB:.0f} GiB, {free / GIB:.0f} are free")
    memory = machine.host.memory
    if memory is not None and machine.gpu_engines and ram.value > memory:
        notes.append(f"engines' processes may take {ram.value / GIB:.0f} of {memory / GIB:.0f} GiB RAM")
    nodes = [cores_of(node.cores) for node in machine.host.numa_nodes]
    for engine in machine.cpu_engines:
        cores, instance = engine.cores, engine.instance
        if cores and len(nodes) > 1 and not any(cores_of(cores) <= node for node in nodes):
            notes.append(
                f"{instance} runs on cores {cores} of several NUMA nodes: half of its weights are read from afar"
            )
    flags = machine.host.cpu.flags if machine.host.cpu is not None else ()
    if machine.cpu_engines and flags and "avx512f" not in flags:
        notes.append("the processor has no avx512f: vLLM's CPU build runs with avx2 and fewer features")
    return notes
