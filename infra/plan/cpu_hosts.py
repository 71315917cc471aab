"""Where engines without a card go: the first host that has the RAM."""

from __future__ import annotations

from collections.abc import Sequence

from infra.config.schema import StackConfig
from infra.interval import Interval
from infra.memory.cpu import judge_cpu
from infra.memory.engine import Card, EngineSpec
from infra.plan.specs import Engines
from infra.plan.tenants import Wanted

CpuPlacement = tuple[Wanted, EngineSpec, str, str]


def place_on_cpu(config: StackConfig, engines: Engines, wanted: Sequence[Wanted]) -> list[CpuPlacement]:
    """Return each engine with its host and the cause; hosts fill up in the order of the inventory."""
    used: dict[str, float] = {}
    placed: list[CpuPlacement] = []
    for engine in wanted:
        names = config.inventory.members(engine.model.place) if engine.model.place else tuple(config.inventory.hosts)
        if not names:
            continue
        spec = engines.spec(engine.model, Card("CPU", Interval.exact(0.0)))
        needed = judge_cpu(spec, None).ram.value
        taken = [host for other, _, host, _ in placed if other.name == engine.name]
        apart = engine.model.spread == "host" and engine.model.replicas > 1
        if apart:
            # Those with the fewest replicas: none, unless there are more replicas than hosts.
            fewest = min(taken.count(name) for name in names)
            names = tuple(name for name in names if taken.count(name) == fewest)
        host, cause = _first_with_room(config, engine, names, used, needed)
        cause = "apart from its replicas" if apart else cause
        used[host] = used.get(host, 0.0) + needed
        placed.append((engine, spec, host, cause))
    return placed


def _first_with_room(
    config: StackConfig, engine: Wanted, names: Sequence[str], used: dict[str, float], needed: float
) -> tuple[str, str]:
    if len(names) == 1:
        return names[0], f"placed on {engine.model.place}" if engine.model.place else "the only host"
    for name in names:
        memory = config.inventory.hosts[name].memory
        if memory is None:
            return name, "first host of the inventory" if name == names[0] else "first host whose RAM isn't known"
        if used.get(name, 0.0) + needed <= memory:
            return name, "first host with enough RAM"
    return names[0], "no host has enough RAM: first of the inventory"
