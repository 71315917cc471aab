"""Rules, levels and exceptions, put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.config.load import nearest
from infra.config.policy import Level, PolicySettings
from infra.errors import Finding
from infra.policy.rules import RULES, Rule
from infra.targets.docker.declared import Declared


@dataclass(frozen=True, order=True)
class Violation:
    """One rule that one resource of a host breaks."""

    host: str
    resource: str
    rule: str
    level: Level
    problem: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.resource} on {self.host}: {self.problem} ({self.rule}: {self.why}). {self.fix[:1].upper()}{self.fix[1:]}."


def is_production(settings: PolicySettings, stack: str) -> bool:
    """Whether rules for production hold."""
    return settings.production if settings.production is not None else stack.startswith("prod")


def level_of(rule: Rule, settings: PolicySettings, stack: str) -> Level:
    """Return the level that a rule has in a stack."""
    if rule.in_production_only and not is_production(settings, stack) and rule.name not in settings.levels:
        return "disabled"
    return settings.levels.get(rule.name, rule.level)


def violations(host: str, resources: Iterable[Declared], settings: PolicySettings, stack: str) -> Iterator[Violation]:
    """Yield what breaks a rule and isn't exempt from it."""
    active = [(rule, level_of(rule, settings, stack)) for rule in RULES]
    for resource in resources:
        for rule, level in active:
            if level == "disabled" or rule.kind != resource.kind or resource.name in settings.exempt.get(rule.name, {}):
                continue
            for problem in rule.broken(resource):
                yield Violation(host, resource.name, rule.name, level, problem, rule.why, rule.fix)


def settings_findings(settings: PolicySettings, resources: Iterable[str]) -> Iterator[Finding]:
    """Yield names in hearth:policy that mean nothing: a slip there would switch off nothing, and nobody would know."""
    rules, known = {rule.name for rule in RULES}, set(resources)
    for name in settings.levels:
        if name not in rules:
            yield Finding(f"hearth:policy.levels.{name}", "is no rule", nearest(name, rules))
    for name, exempt in settings.exempt.items():
        if name not in rules:
            yield Finding(f"hearth:policy.exempt.{name}", "is no rule", nearest(name, rules))
        for resource in exempt:
            if resource not in known:
                path = f"hearth:policy.exempt.{name}.{resource}"
                yield Finding(path, "is nothing that this stack deploys", nearest(resource, known))
