"""What the plan has to tell: engines that don't start, with fixes that were tried, and places that nobody has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from infra.catalogue.metrics import missing_metrics
from infra.catalogue.versions import NEWEST, is_newer_than_known
from infra.config.schema import StackConfig
from infra.config.types import cores_of
from infra.errors import Finding, Severity
from infra.interval import GIB, Interval
from infra.memory.engine import EngineSpec
from infra.memory.fixes import fixes_of
from infra.memory.verdict import Verdict, judge
from infra.plan.cards import Slot
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import CpuEntry, HostRow
from infra.plan.needs import runs_on
from infra.plan.plan import Placement
from infra.plan.restarts import longest_step_s, promise_findings
from infra.plan.search import Item, Solution
from infra.plan.specs import Engines, cores_for

_SHOWN: Final = 8


def engine_findings(cards: Sequence[CardRow], hosts: Sequence[HostRow]) -> list[Finding]:
    """Return one finding for every engine that isn't simply fine."""
    entries: dict[str, Entry | CpuEntry] = {entry.instance: entry for row in cards for entry in row.entries}
    entries |= {entry.instance: entry for row in hosts for entry in row.entries}
    found = []
    for entry in entries.values():
        path = f"hearth:models.{entry.model}"
        reason = entry.reasons[0] if entry.reasons else "no reason"
        if entry.override is not None and entry.verdict in {Verdict.NO, Verdict.TIGHT}:
            text = f"the planner says {entry.verdict}: {reason}; overruled: {entry.override}"
            found.append(Finding(path, text, "remove override once the estimate fits", Severity.NOTICE))
        elif entry.verdict is Verdict.NO:
            found.append(Finding(path, f"{entry.instance} doesn't start: {reason}", _fix(entry)))
        elif entry.verdict is Verdict.TIGHT:
            found.append(Finding(path, f"{entry.instance} is tight: {reason}", _fix(entry), Severity.WARNING))
        elif entry.verdict is Verdict.UNKNOWN:
            fix = "point source to a directory with its config.json, or set memory_fraction and watch its first start"
            found.append(Finding(path, f"nothing is known of its memory: {reason}", fix, Severity.WARNING))
    return found


def users_findings(config: StackConfig, cards: Sequence[CardRow], hosts: Sequence[HostRow]) -> list[Finding]:
    """Return engines that can't hold as many requests at once as `users` wants, which vLLM doesn't check."""
    entries: dict[str, Entry | CpuEntry] = {entry.instance: entry for row in cards for entry in row.entries}
    entries |= {entry.instance: entry for row in hosts for entry in row.entries}
    found = []
    for entry in entries.values():
        users, most = config.models[entry.model].users, _most_users(entry)
        if users == 1 or most is None or most.value >= users:
            continue
        path = f"hearth:models.{entry.model}.users"
        text = f"{entry.instance} holds {most.value:.1f} requests of {entry.spec.tokens:,} tokens at once, not {users}"
        severity = Severity.ERROR if most.high < users else Severity.WARNING
        if entry.override is not None:
            text, severity = f"{text}; overruled: {entry.override}", Severity.NOTICE
        found.append(Finding(path, text, "lower users or context, or give it a larger share", severity))
    return found


def _most_users(entry: Entry | CpuEntry) -> Interval | None:
    if isinstance(entry, CpuEntry):
        return Interval.exact(entry.judgement.concurrency) if entry.judgement.tokens else None
    figures = entry.judgement.estimate
    return figures.concurrency if figures is not None and figures.layout is not None else None


def placement_findings(
    config: StackConfig, engines: Engines, slots: Mapping[str, Sequence[Slot]], solution: Solution
) -> list[Finding]:
    """Return findings of engines without a place, of cards that aren't there, and of engines that had to move."""
    found = [_unplaced(config, engines, slots, item, cut=solution.exhausted) for item in solution.unplaced]
    for name, place in solution.places.items():
        model = _model_of(config, name)
        wrong = [slot for slot in place if not runs_on(config.models[model], slot.card)]
        if wrong:
            device = config.models[model].device
            problem = f"{name} is a {device} engine on {wrong[0].id} ({wrong[0].card.name})"
            found.append(Finding(f"hearth:models.{model}.gpus", problem, "set device: rocm or cuda, as the card is"))
        if len(place) > 1 and any(slot.is_slice for slot in place):
            problem = f"{name} is split over MIG devices, which can't exchange data"
            found.append(Finding(f"hearth:models.{model}.gpus", problem, "take whole cards, or tensor_parallel: 1"))
    for name in solution.moved:
        place = solution.places[name]
        cards = ", ".join(slot.id for slot in place)
        model = _model_of(config, name)
        text = f"{name} moves to {place[0].host} [{cards}]: without it there is no room for all engines"
        fix = "pin it with place: and gpus: to keep it where it was, or let it move"
        found.append(Finding(f"hearth:models.{model}", text, fix, Severity.WARNING))
    for host, several in slots.items():
        for slot in several:
            if slot.card.memory.value <= 0:
                fix = "add memory: as `python -m infra facts` reads it, or a name that the catalogue knows"
                where = f"hearth:inventory.hosts.{host}.gpus"
                found.append(Finding(where, f"nobody knows how much memory {slot.id} ({slot.card.name}) has", fix))
    return found


def version_findings(engines: Engines, *, is_set: bool) -> list[Finding]:
    """Return what the version of the engines' image means for what watches and plans it."""
    found = []
    missing = missing_metrics(engines.behaviour.version)
    if is_set and missing:
        problem = (
            f"vLLM {engines.version} doesn't have {', '.join(missing)}: panels and alerts that use them stay empty"
        )
        found.append(Finding("hearth:images.vllm", problem, "take 0.11.0 or newer", Severity.WARNING))
    if is_set and is_newer_than_known(engines.version):
        problem = f"nothing is known of vLLM {engines.version} yet: the ledger follows the rules of {NEWEST}"
        found.append(Finding("hearth:images.vllm", problem, f"expect differences, or take {NEWEST}", Severity.WARNING))
    return found


def restart_findings(
    config: StackConfig, engines: Engines, placements: Sequence[Placement], specs: Mapping[str, EngineSpec]
) -> list[Finding]:
    """Return what in the engines' restart promises can't work, by what the plan knows of each."""
    found: list[Finding] = []
    for placement in placements:
        model = config.models[placement.model]
        restart, path = engines.promise_source(placement.model, model)
        step_s = longest_step_s(specs[placement.instance], cores_for(config, model, placement.host))
        found += promise_findings(path, placement.instance, restart, placement.start, step_s)
    return found


def host_findings(hosts: Sequence[HostRow], placements: Sequence[Placement]) -> list[Finding]:
    """Return what hosts lack, and engines that share cores."""
    found = [
        Finding(
            f"hearth:inventory.hosts.{row.name}", note, "give it more, or place engines elsewhere", Severity.WARNING
        )
        for row in hosts
        for note in row.notes
    ]
    return found + list(_overlapping_cores(placements))


def _fix(entry: Entry | CpuEntry) -> str:
    fixes = entry.fixes if isinstance(entry, Entry) else ()
    if fixes:
        return "set " + " · ".join(fix.text for fix in fixes)
    if isinstance(entry, CpuEntry):
        return "raise kv_cache, shorten context, or choose a host with more RAM"
    return "no single change helps: a smaller model, more cards, or override: with a reason"


def _unplaced(
    config: StackConfig, engines: Engines, slots: Mapping[str, Sequence[Slot]], item: Item, *, cut: bool
) -> Finding:
    path = f"hearth:models.{item.model}"
    model = config.models[item.model]
    if not item.hosts:
        names = config.inventory.members(model.place) if model.place else tuple(config.inventory.hosts)
        problem = f"wants {item.cards} card(s), {', '.join(names) or 'its place'} has none in the inventory"
        return Finding(path, problem, "add gpus to a host of hearth:inventory, or set device: cpu")
    if item.pinned:
        known = ", ".join(slot.id for host in item.hosts for slot in slots[host])
        missing = ", ".join(name for name in item.pinned if name not in known.split(", "))
        return Finding(f"{path}.gpus", f"{', '.join(item.hosts)} has no card {missing}", f"name one of: {known}")
    cards = [slot for host in item.hosts for slot in slots[host]]
    seen = "; ".join(f"{slot.host} {slot.id} {slot.card.name}" for slot in cards[:_SHOWN])
    more = f" and {len(cards) - _SHOWN} more" if len(cards) > _SHOWN else ""
    largest = max(cards, key=lambda slot: slot.card.memory.value)
    if not item.needs:
        return _too_large(item, engines.spec(model, largest.card), model.users, slots, seen=f"{seen}{more}")
    least = min((need.share_bytes for need in item.needs.values()), default=0.0)
    searched = "the search was cut short" if cut else "no arrangement of all engines leaves it"
    text = f"{item.instance} finds no place: {searched} {least / GIB:.1f} GiB on {item.cards} card(s) of {seen}{more}"
    return Finding(path, text, "lower memory_fraction or context of a neighbour, spread: none, or add cards")


def _too_large(item: Item, spec: EngineSpec, users: int, slots: Mapping[str, Sequence[Slot]], *, seen: str) -> Finding:
    """Return the finding of an engine that no card of the inventory is enough for."""
    path, judged = f"hearth:models.{item.model}", judge(spec)
    if judged.verdict is Verdict.FITS or (users > 1 and judged.verdict is not Verdict.NO):
        text = f"{item.instance} fits no card ({seen}) with {users} requests of {spec.tokens:,} tokens at once"
        return Finding(path, text, "lower users or context, or set tensor_parallel")
    alike = (sum(slot.card is spec.card and not slot.is_slice for slot in slots[host]) for host in item.hosts)
    fixes = fixes_of(spec, most_cards=max(alike, default=0))
    fix = (
        "set " + " · ".join(fix.text for fix in fixes) if fixes else "use a smaller model, or add larger or more cards"
    )
    return Finding(path, f"{item.instance} fits no card ({seen}): {judged.reasons[0]}", fix)


def _model_of(config: StackConfig, instance: str) -> str:
    return instance if instance in config.models else instance.rpartition("-")[0]


def _overlapping_cores(placements: Sequence[Placement]) -> Iterable[Finding]:
    taken: dict[str, dict[int, str]] = {}
    for placement in placements:
        if placement.cpu_set is None:
            continue
        here = taken.setdefault(placement.host, {})
        cores = cores_of(placement.cpu_set)
        shared = {here[core] for core in cores if core in here and here[core] != placement.instance}
        if shared:
            problem = f"shares cores of {placement.cpu_set} with {', '.join(sorted(shared))}"
            fix = "give each engine cores of its own, or none to let the kernel share them"
            yield Finding(f"hearth:models.{placement.model}.cores", problem, fix, Severity.WARNING)
        here.update(dict.fromkeys(cores, placement.instance))
