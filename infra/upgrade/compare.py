"""One stack at two versions of vLLM, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Final

from infra.catalogue.defaults import ChangedDefault, changed_defaults
from infra.catalogue.flag_table import version_text, versions
from infra.catalogue.flags import Value
from infra.catalogue.metrics import missing_metrics
from infra.catalogue.rendered import flags_of
from infra.catalogue.versions import parse_version
from infra.errors import Finding, Severity
from infra.pipeline import Built
from infra.plan import Plan
from infra.plan.ledger import Entry
from infra.plan.machine import CpuEntry
from infra.services.base import Workload
from infra.services.vllm import Vllm, VllmSettings
from infra.upgrade.target import Target

_METRIC: Final = re.compile(r"vllm:[a-z0-9_]+")
_HISTOGRAM: Final = ("_bucket", "_sum", "_count")
_NUMBER: Final = re.compile(r"\d[\d.,]*")
_IMAGE: Final = "hearth:images.vllm"


@dataclass(frozen=True)
class Figures:
    """One engine at one version: verdict, place, and what its KV cache holds."""

    verdict: str
    place: str
    context: int
    kv_cache_bytes: float
    tokens: float
    users: float


@dataclass(frozen=True)
class MemoryRow:
    """One engine at both versions; None where it has no place."""

    instance: str
    before: Figures | None
    after: Figures | None


@dataclass(frozen=True)
class MetricRow:
    """A metric that only one of the versions has, its older name, and the files of this stack that ask for it."""

    name: str
    older: str | None
    used_by: tuple[str, ...]
    is_lost: bool


@dataclass(frozen=True)
class ContainerRow:
    """A container that is replaced, and what of it differs; `what` is empty for one that is new or goes."""

    instance: str
    host: str
    before: str | None
    after: str | None
    what: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Upgrade:
    """Everything that another version means. `flags`, `engines` and `others` are findings that only it brings,
    `standing` errors that the stack has already, `mended` what the version puts an end to.
    """

    stack: str
    before: str
    after: str
    flags: tuple[Finding, ...]
    engines: tuple[Finding, ...]
    others: tuple[Finding, ...]
    standing: tuple[Finding, ...]
    mended: tuple[Finding, ...]
    defaults: tuple[tuple[ChangedDefault, tuple[str, ...]], ...]
    metrics: tuple[MetricRow, ...]
    memory: tuple[MemoryRow, ...]
    replaced: tuple[ContainerRow, ...]
    stay: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the stack from running at that version."""
        found = (*self.flags, *self.engines, *self.others, *self.standing)
        return tuple(one for one in found if one.severity is Severity.ERROR)

    @property
    def breaks(self) -> bool:
        """Whether the stack can't run at that version."""
        return bool(self.errors)


def compare(before: Built, findings: Sequence[Finding], after: Target) -> Upgrade:
    """Compare a stack as it is with what it would be; `findings` are those of the stack as it is."""
    assert after.built is not None
    plans = before.plan, after.built.plan
    had = {_key(one): one for one in findings}
    has = {_key(one): one for one in after.findings}
    new = [one for key, one in sorted(has.items()) if key not in had]
    of_plan = set(plans[1].findings)
    # What the plan says of the image itself (its metrics, its age) stands in sections of its own.
    flags = [one for one in new if _is_of_vllm(one) and one not in of_plan]
    engines = [one for one in new if one in of_plan and one.path != _IMAGE]
    return Upgrade(
        stack=before.plan.stack,
        before=before.plan.vllm_version,
        after=after.version,
        flags=tuple(flags),
        engines=tuple(engines),
        others=tuple(one for one in new if one not in of_plan and not _is_of_vllm(one)),
        standing=tuple(one for key, one in sorted(has.items()) if key in had and one.severity is Severity.ERROR),
        mended=tuple(one for key, one in sorted(had.items()) if key not in has and one not in _metric_findings(plans)),
        defaults=_defaults(before, after.built),
        metrics=_metrics(before.workloads, plans),
        memory=_memory(*plans),
        replaced=_replaced((before.workloads, _flags(before)), (after.workloads, _flags(after.built))),
        stay=tuple(sorted({one.instance for one in before.workloads if one in after.workloads})),
        notes=tuple(_notes(before, after)),
    )


def _key(finding: Finding) -> tuple[str, str, str]:
    """Tell findings apart by what they say: their figures, and the version in their words, are different anyway."""
    return finding.path, _NUMBER.sub("*", finding.problem), str(finding.severity)


def _is_of_vllm(finding: Finding) -> bool:
    return finding.path == _IMAGE or ".args." in finding.path or ".environment." in finding.path


def _metric_findings(plans: tuple[Plan, Plan]) -> set[Finding]:
    return {one for plan in plans for one in plan.findings if one.path == _IMAGE}


def _defaults(before: Built, after: Built) -> tuple[tuple[ChangedDefault, tuple[str, ...]], ...]:
    """Return changed defaults with the models that meet them: none where Hearth or people write the flag."""
    old, new = (parse_version(one.plan.vllm_version) for one in (before, after))
    assert old is not None
    assert new is not None
    found: dict[ChangedDefault, set[str]] = {}
    given = _flags(before)
    for placement in before.plan.placements:
        model = before.config.models[placement.model]
        flags = {flag.partition(".")[0].replace("_", "-") for flag in given[placement.instance]}
        changes = changed_defaults(old, new, device=model.device, kind=model.kind, given=flags)
        entries = before.plan.entries.get(placement.instance), after.plan.entries.get(placement.instance)
        for change in (*changes, *_by_card(*entries, flags)):
            found.setdefault(change, set()).add(placement.model)
    return tuple((change, tuple(sorted(models))) for change, models in sorted(found.items()))


def _flags(built: Built) -> Mapping[str, Mapping[str, Value]]:
    """Return the flags of every engine, by instance."""
    settings = built.declaration.settings[Vllm.name]
    assert isinstance(settings, VllmSettings)
    context = built.declaration.context
    return {one.instance: flags_of(Vllm().arguments(settings, context, one)) for one in built.plan.placements}


def _by_card(
    before: Entry | CpuEntry | None, after: Entry | CpuEntry | None, flags: set[str]
) -> Iterable[ChangedDefault]:
    """Yield the defaults that follow the card's size, as the planner takes them for this very card."""
    if not isinstance(before, Entry) or not isinstance(after, Entry):
        return
    rows = (
        ("max-num-seqs", before.spec.sequences, after.spec.sequences, "requests that run at once"),
        ("max-num-batched-tokens", before.spec.batched_tokens, after.spec.batched_tokens, "tokens of one step"),
    )
    for flag, old, new, means in rows:
        if old != new and flag not in flags:
            yield ChangedDefault(flag, f"{old:,}", f"{new:,}", f"{means}, by the size of the card")
    old_share, new_share = before.spec.behaviour.default_fraction, after.spec.behaviour.default_fraction
    if old_share != new_share and "gpu-memory-utilization" not in flags:
        yield ChangedDefault("gpu-memory-utilization", f"{old_share:g}", f"{new_share:g}", "share of the card")


def _metrics(workloads: Sequence[Workload], plans: tuple[Plan, Plan]) -> tuple[MetricRow, ...]:
    lacking = [missing_metrics(parse_version(plan.vllm_version) or ()) for plan in plans]
    used: dict[str, set[str]] = {}
    for workload in workloads:
        for file in workload.files if workload.service != Vllm.name else ():
            for name in _METRIC.findall(file.content):
                used.setdefault(_base(name), set()).add(f"{workload.instance}/{PurePosixPath(file.path).name}")
    changed = {**lacking[0], **lacking[1]}
    # What is rendered for an older version asks by its names.
    readers = {name: used.get(name, set()) | used.get(older or "", set()) for name, older in changed.items()}
    return tuple(
        MetricRow(name, older, tuple(sorted(readers[name])), is_lost=name in lacking[1])
        for name, older in changed.items()
        if (name in lacking[0]) != (name in lacking[1]) and readers[name]
    )


def _base(name: str) -> str:
    return next((name.removesuffix(end) for end in _HISTOGRAM if name.endswith(end)), name)


def _memory(before: Plan, after: Plan) -> tuple[MemoryRow, ...]:
    figures = [_figures(plan) for plan in (before, after)]
    names = dict.fromkeys((*figures[0], *figures[1]))
    return tuple(MemoryRow(name, figures[0].get(name), figures[1].get(name)) for name in names)


def _figures(plan: Plan) -> Mapping[str, Figures]:
    places = {one.instance: f"{one.host}:{','.join(one.gpus) or one.cpu_set or 'cpu'}" for one in plan.placements}
    found = {}
    for name, entry in plan.entries.items():
        kv_cache_bytes = tokens = users = 0.0
        if isinstance(entry, CpuEntry):
            judged = entry.judgement
            kv_cache_bytes, tokens, users = judged.pool_bytes, judged.tokens, judged.concurrency
        elif entry.judgement.estimate is not None:
            estimate = entry.judgement.estimate
            kv_cache_bytes = estimate.pool.value
            tokens, users = estimate.tokens.value, estimate.concurrency.value
        place, context = places.get(name, ""), entry.spec.tokens
        found[name] = Figures(str(entry.verdict), place, context, kv_cache_bytes, tokens, users)
    return found


_Running = tuple[Sequence[Workload], Mapping[str, Mapping[str, Value]]]


def _replaced(before: _Running, after: _Running) -> tuple[ContainerRow, ...]:
    old, new = ({(one.host, one.instance): one for one in several} for several, _ in (before, after))
    rows = []
    for host, name in dict.fromkeys((*old, *new)):
        first, then = old.get((host, name)), new.get((host, name))
        if first == then:
            continue
        images = (first.image if first else None, then.image if then else None)
        changed = _differences(first, then, (before[1].get(name, {}), after[1].get(name, {})))
        rows.append(ContainerRow(name, host, *images, tuple(changed)))
    return tuple(rows)


def _differences(
    before: Workload | None, after: Workload | None, flags: tuple[Mapping[str, Value], Mapping[str, Value]]
) -> Iterable[str]:
    """Yield the fields that differ, and in place of the entry point's settings file the flags that do."""
    if before is None or after is None:
        return
    changed = [flag for flag in {**flags[0], **flags[1]} if flags[0].get(flag) != flags[1].get(flag)]
    for field in fields(Workload):
        if getattr(before, field.name) != getattr(after, field.name) and not (field.name == "files" and changed):
            yield field.name
    yield from (f"--{flag} {flags[0].get(flag, 'unset')} → {flags[1].get(flag, 'unset')}" for flag in changed)


def _notes(before: Built, after: Target) -> Iterable[str]:
    number = parse_version(after.version)
    assert number is not None
    if not before.plan.placements:
        yield "the stack has no engine"
    elif after.version == before.plan.vllm_version:
        yield f"the stack has vLLM {after.version} already"
    if number not in versions():
        near = [*[one for one in versions() if one < number][-1:], *[one for one in versions() if one > number][:1]]
        names = " and ".join(version_text(one) for one in near)
        yield f"{after.version} itself wasn't read: what is said of it is concluded from {names}"
    if before.config.image_source == "built" and "vllm" not in before.config.images:
        yield (
            f"engines on CPU run the image that Hearth builds from packages, which has vLLM {before.plan.vllm_version} only: "
            "another version is an official image, which a registry must answer for"
        )
    if len(set(after.images.values())) > 1:
        devices = ", ".join(f"{device}: {image}" for device, image in sorted(after.images.items()))
        yield f"hearth:images.vllm is one image for all engines, and this stack needs several ({devices})"
