"""Which engine goes to which host, cards and cores: pure, first fit in the order of names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from infra.config.models import SYNTHETIC, ModelServer
from infra.config.schema import StackConfig
from infra.config.types import cores_of
from infra.errors import Finding, Severity
from infra.plan.plan import Placement, Plan

# Fractions are written with two digits; sums such as 0.45 + 0.55 must not fail on binary rounding.
_ROUNDING: Final = 1e-9
# A synthetic model is made and loaded in about half a minute on two cores; weights of a hub may still have to come.
_START_SYNTHETIC_S: Final = 600.0
_START_LOCAL_S: Final = 900.0
_START_HUB_S: Final = 3600.0


@dataclass
class _Ledger:
    """What is given away so far while engines are placed one by one."""

    shares: dict[tuple[str, str], float] = field(default_factory=dict)
    cores: dict[str, dict[int, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def free(self, host: str, gpu: str) -> float:
        return 1.0 - self.shares.get((host, gpu), 0.0)


def make_plan(config: StackConfig, project: str, stack: str) -> Plan:
    """Place every engine, or say why it can't be placed. The same input gives the same plan."""
    ledger = _Ledger()
    placements = []
    for name, model in _in_start_order(config).items():
        for replica in range(model.replicas):
            placement = _place(config, ledger, name, model, replica)
            if placement is not None:
                placements.append(placement)
    _overlapping_cores(ledger, placements)
    placements.sort(key=lambda placement: (placement.model, placement.replica))
    shares = dict(sorted(ledger.shares.items()))
    return Plan(project, stack, tuple(placements), shares, tuple(ledger.findings))


def instance_of(model: str, replica: int, replicas: int) -> str:
    """Return the name of an engine: the model's own, or with a number where there are several."""
    return model if replicas == 1 else f"{model}-{replica}"


def _in_start_order(config: StackConfig) -> dict[str, ModelServer]:
    ordered: dict[str, ModelServer] = {}
    waiting = dict(sorted(config.models.items()))
    while waiting:
        ready = [name for name, model in waiting.items() if not any(other in waiting for other in model.after)]
        for name in ready or list(waiting):
            ordered[name] = waiting.pop(name)
    return ordered


def _place(config: StackConfig, ledger: _Ledger, name: str, model: ModelServer, replica: int) -> Placement | None:
    hosts = config.inventory.members(model.place) if model.place else tuple(config.inventory.hosts)
    if not hosts:
        return None
    if model.device == "cpu":
        cause = f"placed on {model.place}" if model.place else "first host of the inventory"
        return _placement(config, name, model, replica, host=hosts[0], gpus=(), cause=cause)
    for host in hosts:
        gpus = _cards(config, ledger, model, replica, host)
        if gpus is not None:
            for gpu in gpus:
                ledger.shares[host, gpu] = ledger.shares.get((host, gpu), 0.0) + model.memory_fraction
            cause = "cards as asked" if model.gpus else f"first {len(gpus)} with {model.memory_fraction:g} free"
            return _placement(config, name, model, replica, host=host, gpus=gpus, cause=cause)
    ledger.findings.append(_no_room(config, ledger, name, model, hosts))
    return None


def _cards(config: StackConfig, ledger: _Ledger, model: ModelServer, replica: int, host: str) -> tuple[str, ...] | None:
    have = [gpu.id for gpu in config.inventory.hosts[host].gpus]
    size = model.tensor_parallel
    if model.gpus:
        wanted = model.gpus[replica * size : (replica + 1) * size]
        fits = all(gpu in have and ledger.free(host, gpu) >= model.memory_fraction - _ROUNDING for gpu in wanted)
        return wanted if fits else None
    free = [gpu for gpu in have if ledger.free(host, gpu) >= model.memory_fraction - _ROUNDING]
    return tuple(free[:size]) if len(free) >= size else None


def _no_room(config: StackConfig, ledger: _Ledger, name: str, model: ModelServer, hosts: tuple[str, ...]) -> Finding:
    seen = [
        f"{host} card {gpu.id}: {ledger.free(host, gpu.id):.2f} free"
        for host in hosts
        for gpu in config.inventory.hosts[host].gpus
    ]
    if not seen:
        problem = f"wants {model.tensor_parallel} card(s), {', '.join(hosts)} has none in the inventory"
        return Finding(f"hearth:models.{name}", problem, "add gpus to a host of hearth:inventory, or set device: cpu")
    asked = f" ({', '.join(model.gpus)})" if model.gpus else ""
    problem = f"wants {model.memory_fraction:g} of {model.tensor_parallel} card(s){asked}; {'; '.join(seen)}"
    return Finding(
        f"hearth:models.{name}", problem, "lower memory_fraction here or of a neighbour, or name other cards"
    )


def _placement(
    config: StackConfig,
    name: str,
    model: ModelServer,
    replica: int,
    *,
    host: str,
    gpus: tuple[str, ...],
    cause: str,
) -> Placement:
    after = tuple(
        instance_of(other, number, config.models[other].replicas)
        for other in model.after
        if other in config.models
        for number in range(config.models[other].replicas)
    )
    restart = model.restart or config.restart
    budget_s = (
        _START_SYNTHETIC_S
        if model.source == SYNTHETIC
        else _START_LOCAL_S
        if model.is_local_directory
        else _START_HUB_S
    )
    return Placement(
        model=name,
        replica=replica,
        instance=instance_of(name, replica, model.replicas),
        host=host,
        gpus=gpus,
        cpu_set=model.cores,
        memory_fraction=model.memory_fraction if gpus else None,
        kv_cache_bytes=model.kv_cache,
        after=after,
        start_timeout_s=restart.timeout_start if restart.timeout_start is not None else budget_s,
        cause=cause,
    )


def _overlapping_cores(ledger: _Ledger, placements: list[Placement]) -> None:
    for placement in placements:
        if placement.cpu_set is None:
            continue
        taken = ledger.cores.setdefault(placement.host, {})
        cores = cores_of(placement.cpu_set)
        shared = {taken[core] for core in cores if core in taken and taken[core] != placement.instance}
        if shared:
            problem = f"shares cores of {placement.cpu_set} with {', '.join(sorted(shared))}"
            fix = "give each engine cores of its own, or none to let the kernel share them"
            ledger.findings.append(Finding(f"hearth:models.{placement.model}.cores", problem, fix, Severity.WARNING))
        taken.update(dict.fromkeys(cores, placement.instance))
