"""Checks over several entries of a stack file at once: what each of them says is right, but not all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from infra.config.inventory import Gpu, Host, Inventory
from infra.config.models import ModelServer
from infra.config.schema import StackConfig
from infra.config.types import cores_of, reachable
from infra.errors import Finding, Severity

# What stays the same over reboots and board swaps.
_LASTING: Final = ("GPU-", "MIG-")


def findings_across(config: StackConfig) -> list[Finding]:
    """Return what contradicts itself between hosts, groups, cards, cores and the models that name them."""
    found = []
    for name, host in config.inventory.hosts.items():
        found += _host_findings(f"hearth:inventory.hosts.{name}", host)
    children = {name: group.children for name, group in config.inventory.groups.items()}
    for name, below in children.items():
        if name in reachable(below, children):
            problem = "contains itself in a circle"
            found.append(Finding(f"hearth:inventory.groups.{name}.children", problem, "remove one of the children"))
        if name in config.inventory.hosts:
            problem = "is the name of a host and of a group"
            found.append(Finding(f"hearth:inventory.groups.{name}", problem, "rename one of them"))
    for name, model in config.models.items():
        found += _card_findings(f"hearth:models.{name}.gpus", model, config.inventory)
        found += _core_findings(f"hearth:models.{name}.cores", model, config.inventory)
    return found + _adapter_findings(config)


def _host_findings(path: str, host: Host) -> list[Finding]:
    found = [
        Finding(f"{path}.gpus", f"has the card {card} twice", "give every card its own id")
        for card in _twice(gpu.id for gpu in host.gpus)
    ]
    found += _card_name_findings(f"{path}.gpus", host)
    problem = _connection_problem(host.connection)
    if problem:
        fix = "write local, unix:///path/of/docker.sock or ssh://user@host:port"
        found.append(Finding(f"{path}.connection", problem, fix))
    return found


def _card_name_findings(path: str, host: Host) -> Iterable[Finding]:
    """Yield cards that have two names, and those named by an index where others have names that last."""
    lasting = [gpu for gpu in host.gpus if gpu.id.startswith(_LASTING)]
    for gpu in host.gpus:
        # Facts say of which index a card was, also where its driver has no lasting name for it.
        same = [other.id for other in lasting if _is_same(gpu.id, other)]
        if same:
            problem = f"has one card as {gpu.id} and as {same[0]}: its memory would be given away twice"
            yield Finding(path, problem, f"remove {gpu.id}, and name {same[0]} in gpus: of models")
        elif lasting and gpu.id.isdecimal() and gpu.index is None:
            problem = f"names card {gpu.id} by its index, which a reboot may change, and others by UUID"
            fix = "write the UUID that nvidia-smi -L prints, or run `python -m infra facts`"
            yield Finding(path, problem, fix, Severity.WARNING)


def _is_same(name: str, card: Gpu) -> bool:
    """Whether a card's name means another entry's card: its index, or a shortened UUID, as NVIDIA's tools take it."""
    if name == card.id:
        return False
    is_short = name.startswith(_LASTING) and card.id.lower().startswith(name.lower())
    return is_short or (name.isdecimal() and card.index is not None and int(name) == card.index)


def _connection_problem(connection: str) -> str | None:
    try:
        parts = urlsplit(connection)
        port = parts.port
    except ValueError as error:
        return f"{connection!r} can't be read: {error}"
    if parts.scheme == "ssh" and (not parts.hostname or any(letter.isspace() for letter in connection)):
        return f"{connection!r} names no host"
    if parts.scheme == "ssh" and port == 0:
        return f"{connection!r} has the port 0"
    if parts.scheme == "unix" and not parts.path.strip("/"):
        return f"{connection!r} names no socket"
    return None


def _card_findings(path: str, model: ModelServer, inventory: Inventory) -> list[Finding]:
    # Two replicas may share a card; one engine can't use a card twice.
    engines = [model.gpus[first : first + model.cards] for first in range(0, len(model.gpus), max(1, model.cards))]
    found = [
        Finding(path, f"names the card {card} twice for one engine", "name as many different cards as an engine takes")
        for engine in engines
        for card in _twice(engine)
    ]
    hosts = _candidates(model, inventory)
    cards = [gpu for host in hosts for gpu in inventory.hosts[host].gpus]
    known = sorted({gpu.id for gpu in cards} | {part.id for gpu in cards for part in gpu.mig})
    if hosts:
        where = " or ".join(hosts)
        fix = f"name one of: {', '.join(known) or 'none; add gpus to the host first'}"
        for card in sorted(set(model.gpus) - set(known)):
            meant = [gpu.id for gpu in cards if _is_same(card, gpu)]
            lasting = f"write {', '.join(meant)}, which it is today: numbers change when cards do"
            found.append(Finding(path, f"no card of {where} has the id {card!r}", lasting if meant else fix))
    return found


def _core_findings(path: str, model: ModelServer, inventory: Inventory) -> list[Finding]:
    if model.cores is None:
        return []
    counts = {host: inventory.hosts[host].cores for host in _candidates(model, inventory)}
    highest = max(cores_of(model.cores))
    if not counts or any(count is None or highest < count for count in counts.values()):
        return []
    have = ", ".join(f"{host} has {count}" for host, count in counts.items())
    return [Finding(path, f"names core {highest}, {have}", "count the cores from 0, or name another host with place")]


def _adapter_findings(config: StackConfig) -> list[Finding]:
    """Clients ask for adapters by name as they ask for models, so no two may share one."""
    found = []
    owners: dict[str, str] = {}
    for name, model in config.models.items():
        for adapter, written in model.adapters.items():
            path = f"hearth:models.{name}.adapters.{adapter}"
            other = owners.setdefault(adapter, name)
            if adapter in config.models:
                found.append(Finding(path, "has the name of a model", "rename one of them"))
            elif other != name:
                found.append(Finding(path, f"has the name of an adapter of {other}", "rename one of them"))
            if "lora_rank" in model.model_fields_set and (written.rank or 0) > model.lora_rank:
                problem = f"is {written.rank}, but lora_rank of {name} is {model.lora_rank}"
                fix = f"set lora_rank: {model.largest_rank}, or leave it out"
                found.append(Finding(f"{path}.rank", problem, fix))
            if written.revision is not None and written.is_local_directory:
                found.append(Finding(f"{path}.revision", "has no meaning for a directory", "remove it"))
        flags = [flag for flag in model.args if flag.replace("_", "-") == "lora-modules"]
        if model.adapters and flags:
            problem = "names adapters beside adapters"
            fix = "write all of them as adapters of the model"
            found.append(Finding(f"hearth:models.{name}.args.{flags[0]}", problem, fix))
    return found


def _candidates(model: ModelServer, inventory: Inventory) -> tuple[str, ...]:
    return inventory.members(model.place) if model.place else tuple(inventory.hosts)


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
