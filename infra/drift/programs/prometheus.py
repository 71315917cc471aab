"""Prometheus and Alertmanager: the configuration in effect, against the declared files.

Both print theirs with every default filled in, durations in a form of their own, and secrets hidden: what is declared has
to be in it. A file that is edited and read again differs here as well as inside the container; one that was put back, here
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from infra.drift.programs.inside import Inside, Note, Told

_PROMETHEUS: Final = "/etc/prometheus/prometheus.yml"
_RULES: Final = "/etc/prometheus/rules/hearth.yml"
_ALERTMANAGER: Final = "/etc/alertmanager/alertmanager.yml"
_HIDDEN: Final = "<secret>"
# Where everything is somebody's own, and no default can be.
_WHOLE: Final = frozenset({"external_labels", "labels", "params"})
_NAMES: Final = ("job_name", "name")
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")
_UNITS_MS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_TOLD: Final = 4


def prometheus(inside: Inside) -> Iterator[Told | Note]:
    """Compare configuration and rules."""
    there = yaml.safe_load(inside.get("/api/v1/status/config")["data"]["yaml"])
    yield from _in_effect("configuration in effect", _PROMETHEUS, inside, there)
    wanted, rules = _declared_rules(inside.file(_RULES)), _running_rules(inside.get("/api/v1/rules"))
    if wanted != rules:
        changed = sorted(name for name in wanted.keys() | rules.keys() if wanted.get(name) != rules.get(name))
        yield Told("rules in effect", f"as in {_RULES}", f"otherwise: {_listed(changed)}")


def alertmanager(inside: Inside) -> Iterator[Told | Note]:
    """Compare routes, receivers and inhibitions."""
    there = yaml.safe_load(inside.get("/api/v2/status")["config"]["original"])
    yield from _in_effect("configuration in effect", _ALERTMANAGER, inside, there)


def _in_effect(aspect: str, path: str, inside: Inside, there: Any) -> Iterator[Told]:
    found = sorted(set(apart(yaml.safe_load(inside.file(path)), there)))
    if found:
        yield Told(aspect, f"as in {path}", f"otherwise: {_listed(found)}")


def apart(declared: Any, there: Any, path: str = "") -> Iterator[str]:
    """Yield the places where what is declared isn't in effect, or what is in effect can be no default."""
    if isinstance(declared, Mapping):
        yield from _maps(declared, there if isinstance(there, Mapping) else {}, path)
    elif isinstance(declared, Sequence) and not isinstance(declared, str):
        yield from _lists(list(declared), list(there) if isinstance(there, list) else [], path)
    elif there != _HIDDEN and _canonical(declared) != _canonical(there):
        yield path


def _maps(declared: Mapping[str, Any], there: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in declared.items():
        yield from apart(value, there.get(key), f"{path}.{key}".lstrip("."))
    if path.rpartition(".")[2] in _WHOLE:
        yield from (f"{path}.{key}" for key in there if key not in declared)


def _lists(declared: list[Any], there: list[Any], path: str) -> Iterator[str]:
    name = next((name for name in _NAMES if _are_named([*declared, *there], name)), None)
    if name is not None:
        one, other = ({item[name]: item for item in items} for items in (declared, there))
        yield from (f"{path}.{key}" for key in sorted(one.keys() ^ other.keys()))
        for key in sorted(one.keys() & other.keys()):
            yield from apart(one[key], other[key], f"{path}.{key}")
    elif any(isinstance(item, Mapping) for item in declared):
        if len(declared) != len(there):
            yield path
        for number, (item, other_item) in enumerate(zip(declared, there, strict=False)):
            yield from apart(item, other_item, f"{path}.{number}")
    elif sorted(map(_canonical, declared)) != sorted(map(_canonical, there)):
        # Matchers come back sorted.
        yield path


def _are_named(items: Sequence[Any], name: str) -> bool:
    return bool(items) and all(isinstance(item, Mapping) and name in item for item in items)


def _canonical(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if re.fullmatch(rf"({_PART.pattern})+", text):
        return f"{sum(int(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))} ms"
    return text


def _declared_rules(text: str) -> dict[str, tuple[str, ...]]:
    rules = [rule for group in (yaml.safe_load(text) or {}).get("groups", ()) for rule in group["rules"]]
    return _by_name(
        (str(rule.get("alert") or rule["record"]), rule.get("for", "0s"), rule.get("labels") or {}) for rule in rules
    )


def _running_rules(answer: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    return _by_name((rule["name"], f"{rule.get('duration', 0):.0f}s", rule.get("labels") or {}) for rule in rules)


def _by_name(rules: Iterator[tuple[str, str, Mapping[str, str]]]) -> dict[str, tuple[str, ...]]:
    """Return how long each rule waits and what it is labelled with: its expression comes back written otherwise."""
    found: dict[str, list[str]] = {}
    for name, waits, labels in rules:
        found.setdefault(name, []).append(f"{_canonical(waits)} {sorted(labels.items())}")
    return {name: tuple(sorted(told)) for name, told in found.items()}


def _listed(places: Sequence[str]) -> str:
    more = len(places) - _TOLD
    return ", ".join(places[:_TOLD]) + (f" and {more} more" if more > 0 else "")
