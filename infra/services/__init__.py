"""Finds the services in this folder and lets them declare.

A module here that defines a Service is registered by being here: nothing else names it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from infra.config.load import nearest, validated
from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.plan import Plan
from infra.services.base import Context, Crossing, Reach, Scope, Service, Settings, Workload


@dataclass(frozen=True)
class Declaration:
    """Everything that a stack runs, with the context it was declared in."""

    workloads: tuple[Workload, ...]
    context: Context
    settings: Mapping[str, Settings]
    findings: tuple[Finding, ...]


@cache
def registry() -> Mapping[str, Service[Any]]:
    """Return every service by name, sorted."""
    found = {}
    for module_found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_found.name}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            if issubclass(member, Service) and member.__module__ == module.__name__ and not inspect.isabstract(member):
                found[member.name] = member()
    return dict(sorted(found.items()))


def settings_of(sections: Mapping[str, Any]) -> tuple[dict[str, Settings], list[Finding]]:
    """Check the services' sections of a stack file; what isn't written has its defaults."""
    settings: dict[str, Settings] = {}
    findings: list[Finding] = []
    for name, service in registry().items():
        head, _, rest = service.section.partition(".")
        value = sections.get(head)
        if rest:
            value = value.get(rest) if isinstance(value, Mapping) else None
        # A section of which nothing is written (its lines are comments) is null.
        value = {} if value is None else value
        checked, problems = validated(service.settings_type, value, f"hearth:{service.section}")
        findings += problems
        settings[name] = checked if checked is not None else service.settings_type()
    return settings, findings + _unknown_sections(sections)


def declare(
    config: StackConfig,
    plan: Plan,
    settings: Mapping[str, Settings],
    resolver: str,
    *,
    joins_hosts: bool = False,
) -> Declaration:
    """Let every service that runs declare its workloads. `joins_hosts`: one network spans all hosts of the target."""
    wanted = {name: service for name, service in registry().items() if service.runs(settings[name], config)}
    running = {name: service for name, service in wanted.items() if not service.beside or service.beside in wanted}
    scope = Scope(config, plan, _hosts_in_use(config, plan, settings, running))
    endpoints = tuple(
        endpoint for name, service in running.items() for endpoint in service.endpoints(settings[name], scope)
    )
    context = Context(config, plan, scope.hosts, endpoints, resolver, settings, frozenset(running))
    if not joins_hosts:
        context = replace(context, crossings=_crossings(running, settings, context))
    workloads: list[Workload] = []
    findings: list[Finding] = _absences(config, settings) + _places(config, settings)
    for name, service in running.items():
        findings += service.findings(settings[name], context)
        workloads += service.workloads(settings[name], context)
    findings += _unknown_images(config) + _clashes(workloads)
    return Declaration(tuple(workloads), context, settings, tuple(findings))


def _hosts_in_use(
    config: StackConfig, plan: Plan, settings: Mapping[str, Settings], running: Mapping[str, Service[Any]]
) -> tuple[str, ...]:
    """Return where engines are placed, and where services are that don't follow others."""
    scope = Scope(config, plan, ())
    used = {host for name, service in running.items() for host in service.hosts(settings[name], scope)}
    return tuple(host for host in config.inventory.hosts if host in used)


def _crossings(
    running: Mapping[str, Service[Any]], settings: Mapping[str, Settings], context: Context
) -> tuple[Crossing, ...]:
    """Return what is asked from a host and answered on another."""
    found: dict[tuple[str, str, int], Reach] = {}
    for name, service in running.items():
        for reach in service.reaches(settings[name], context):
            for source in service.hosts(settings[name], context):
                if set(reach.hosts) != {source}:
                    key = (source, reach.name, reach.port)
                    same = found.get(key, reach)
                    found[key] = replace(reach, any_host=reach.any_host or same.any_host)
    return tuple(Crossing(key[0], found[key]) for key in sorted(found))


def _unknown_sections(sections: Mapping[str, Any]) -> list[Finding]:
    found = []
    own = {field.alias or name for name, field in StackConfig.model_fields.items()}
    paths = {service.section for service in registry().values()}
    heads = {path.partition(".")[0] for path in paths}
    for head, section in sections.items():
        if head not in heads:
            found.append(Finding(f"hearth:{head}", "is unknown", nearest(head, heads | own)))
        inner = {path.partition(".")[2] for path in paths if path.startswith(f"{head}.")}
        if inner and isinstance(section, Mapping):
            unknown = sorted(str(key) for key in section if key not in inner)
            found += [Finding(f"hearth:{head}.{key}", "is unknown", nearest(key, inner)) for key in unknown]
        elif inner and section is not None:
            found.append(
                Finding(
                    f"hearth:{head}", f"is no map (it is {section!r})", f"write below it: {', '.join(sorted(inner))}"
                )
            )
    return found


def _absences(config: StackConfig, settings: Mapping[str, Settings]) -> list[Finding]:
    wanted = (service.absence(config) for name, service in registry().items() if settings[name].enabled)
    return [finding for finding in wanted if finding is not None]


def _places(config: StackConfig, settings: Mapping[str, Settings]) -> list[Finding]:
    known = ", ".join([*config.inventory.hosts, *config.inventory.groups])
    return [
        Finding(
            f"hearth:{registry()[name].section}.place", f"no host or group is named {place!r}", f"name one of: {known}"
        )
        for name, place in ((name, setting.place) for name, setting in settings.items())
        if place is not None and not config.inventory.members(place)
    ]


def _unknown_images(config: StackConfig) -> list[Finding]:
    return [
        Finding(f"hearth:images.{name}", "is unknown", nearest(name, registry()))
        for name in config.images
        if name not in registry()
    ]


def _clashes(workloads: list[Workload]) -> list[Finding]:
    """Two workloads of one name, or one port of a host given to two."""
    findings = []
    names: dict[str, str] = {}
    ports: dict[tuple[str, int], str] = {}
    for workload in workloads:
        for name in {workload.instance, *workload.aliases}:
            other = names.setdefault(name, workload.service)
            if other != workload.service:
                problem = f"is the name of a {other} and of a {workload.service}"
                findings.append(Finding(f"hearth:models.{name}", problem, "rename the model"))
        for port in workload.published:
            other = ports.setdefault((workload.host, port.host_port), workload.instance)
            if other != workload.instance:
                problem = f"port {port.host_port} is wanted by {other} and by {workload.instance}"
                section = registry()[workload.service].section
                fix = "change expose of one of them"
                findings.append(Finding(f"hearth:{section}.expose", f"{problem} on {workload.host}", fix))
    return findings
