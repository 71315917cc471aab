"""A whole compose project in Hearth's words: its configuration, and everything that has to be said beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.adopt.compose_file import Project
from infra.adopt.engine import Engine, engine_of, name_for, sized, version_of
from infra.adopt.gateway import Gateway, gateway_of
from infra.adopt.images import images_of
from infra.adopt.keys import tell_keys
from infra.adopt.restart import restart_of
from infra.adopt.roles import ENGINE, advice_for, role_of
from infra.adopt.service import Service
from infra.adopt.services import (
    TRANSLATED,
    exporter_section,
    exposed,
    prometheus_section,
    section_of,
    ui_section,
)
from infra.adopt.told import Told
from infra.catalogue.versions import PINNED
from infra.errors import Finding
from infra.services import registry

UNKNOWN_CARD: Final = "unknown"
_ALL_OF_IT: Final = "*"


@dataclass(frozen=True)
class Adoption:
    """`values` are the keys of the hearth namespace; `roles` says which container becomes which service of Hearth,
    `names` which engine which model.
    """

    project: Project
    services: Mapping[str, Service]
    roles: Mapping[str, str]
    names: Mapping[str, str]
    values: Mapping[str, Any]
    told: Told
    findings: tuple[Finding, ...] = field(default=())

    @property
    def has_unknown_cards(self) -> bool:
        """Whether nobody has said what cards the host has."""
        hosts = self.values["inventory"]["hosts"].values()
        return any(card.get("model") == UNKNOWN_CARD for host in hosts for card in host.get("gpus", ()))


def adopt(
    project: Project,
    services: Mapping[str, Service],
    *,
    inventory: Mapping[str, Any] | None = None,
    card: str = UNKNOWN_CARD,
    connection: str = "local",
) -> Adoption:
    """Translate a project. `inventory` is that of the stack where it has one; else `card` is what its cards are."""
    told = Told()
    roles, findings = _roles(project, services, told)
    of_engines = [services[name] for name, role in roles.items() if role == ENGINE]
    card_ids = _card_ids(inventory)
    versions = {version_of(one) for one in of_engines if one.tag}
    version = versions.pop() if len(versions) == 1 else PINNED
    engines = [engine_of(one, version, card_ids, told) for one in of_engines]
    singles = {role: services[name] for name, role in roles.items() if role != ENGINE}
    gateway = gateway_of(singles["litellm"], engines, told) if "litellm" in singles else Gateway((), {}, is_read=False)
    names = _names(engines, gateway, told)
    models = {names[one.service.name]: _model(one, gateway, names, told) for one in engines}
    values: dict[str, Any] = {"target": "docker", "imageSource": "official"}
    images = images_of({**{one.service.name: ENGINE for one in engines}, **roles}, services, engines, told)
    values |= {"images": images} if images else {}
    values["inventory"] = inventory or _inventory(models, card, connection)
    values["models"] = models
    sections = {role: _section(role, one, services, models, told) for role, one in singles.items()}
    sections.setdefault("litellm", {}).update(gateway.section)
    _front_door(sections, singles, engines, told)
    values |= _placed(sections, roles)
    values |= _fetching(engines)
    for name, service in services.items():
        if name in roles:
            tell_keys(service, told, is_engine=roles[name] == ENGINE)
    _tell_project(project, roles, told)
    return Adoption(project, services, roles, names, values, told, (*project.findings, *findings))


def _roles(project: Project, services: Mapping[str, Service], told: Told) -> tuple[dict[str, str], list[Finding]]:
    roles: dict[str, str] = {}
    for name, service in services.items():
        role = role_of(service)
        if role is None:
            told.no_place(name, f"{service.image or service.build or 'no image'}: {advice_for(service)}")
        elif role != ENGINE and role in roles.values():
            first = next(other for other, known in roles.items() if known == role)
            told.no_place(name, f"Hearth has one {role} only, and {first} is it")
        else:
            roles[name] = role
    for name, profiles in project.inactive.items():
        told.no_place(name, f"its profile isn't chosen; --profile {profiles[0]} adopts it")
    found = []
    if ENGINE not in roles.values():
        others = sorted({one for profiles in project.inactive.values() for one in profiles})
        fix = (
            f"choose a profile with --profile: {', '.join(others)}"
            if others
            else "name the compose file that has vLLM in it"
        )
        found.append(Finding(project.name, "has no vLLM among its active services", fix))
    return roles, found


def _card_ids(inventory: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the inventory's names of cards by their number: a reboot doesn't change a UUID."""
    hosts = list((inventory or {}).get("hosts", {}).values())
    cards = hosts[0].get("gpus") or () if len(hosts) == 1 and isinstance(hosts[0], Mapping) else ()
    return {str(card.get("index", number)): str(card["id"]) for number, card in enumerate(cards) if "id" in card}


def _names(engines: Sequence[Engine], gateway: Gateway, told: Told) -> dict[str, str]:
    names: dict[str, str] = {}
    for engine in engines:
        service = engine.service.name
        aliases = gateway.names_of(service)
        asked = aliases or list(engine.asked)
        names[service] = name_for(engine, aliases, frozenset(names.values()))
        lost = [one for one in asked if one != names[service]]
        if lost:
            told.change(service, f"clients ask for {names[service]} instead of {', '.join(lost)}: a model has one name, which can be "
                        "a host's")  # fmt: skip
        if aliases and any(other != service and set(aliases) & set(gateway.names_of(other)) for other in names):
            told.no_place(service, f"one name over several engines ({', '.join(aliases)}): replicas: of one model are, if they are "
                          "the same")  # fmt: skip
    return names


def _model(engine: Engine, gateway: Gateway, names: Mapping[str, str], told: Told) -> dict[str, Any]:
    service = engine.service
    entry = {**engine.entry, **restart_of(service, told)}
    kind = gateway.kind_of(service.name)
    if kind is not None and "kind" not in entry:
        entry["kind"] = kind
    after = [names[other] for other in service.after if other in names]
    if after:
        entry["after"] = after
    others = sorted(other for other in service.after if other not in names)
    if others:
        told.change(service.name, f"depends_on {', '.join(others)}: what needs what decides the order")
    ports = [str(port.published) for port in service.ports if port.published is not None]
    if service.keys.get("network_mode") == "host":
        told.change(service.name, "nobody outside reaches it any more: clients ask the gateway, with a key")
    if ports:
        told.change(
            service.name, f"port {', '.join(ports)} isn't published any more: clients ask the gateway, with a key"
        )
    if not service.environment.get("VLLM_API_KEY") and "api-key" not in engine.line.flags:
        told.change(service.name, "asks for a key, which only the gateway has (hearth:engineKey, made by `make up`)")
    return entry


def _inventory(models: Mapping[str, Any], card: str, connection: str) -> dict[str, Any]:
    named = dict.fromkeys(one for entry in models.values() for one in entry.get("gpus", ()))
    least = max(
        (int(one.get("tensor_parallel", 1)) * int(one.get("pipeline_parallel", 1)) for one in models.values()
         if one.get("device") != "cpu" and "gpus" not in one),
        default=0,
    )  # fmt: skip
    cards = list(named) or [str(number) for number in range(least)]
    cards.sort(key=lambda one: (not one.isdigit(), int(one) if one.isdigit() else 0, one))
    host: dict[str, Any] = {"connection": connection}
    host |= {"gpus": [{"id": one, "model": card} for one in cards]} if cards else {}
    return {"hosts": {"local" if connection == "local" else "box": host}}


def _section(
    role: str, service: Service, services: Mapping[str, Service], models: Mapping[str, Any], told: Told
) -> dict[str, Any]:
    if role == "open_webui":
        section = ui_section(service, models, told)
    elif role == "prometheus":
        known = {name for one in services.values() if role_of(one) for name in one.names}
        section = prometheus_section(service, known, told)
    else:
        section = TRANSLATED.get(role, exporter_section)(service, told)
    section |= exposed(service, role, told) | restart_of(service, told)
    if service.memory_bytes:
        section["memory"] = sized(service.memory_bytes)
    if service.after:
        told.change(service.name, f"depends_on {', '.join(sorted(service.after))}: what needs what decides the order")
    if service.replicas > 1:
        told.no_place(service.name, f"{service.replicas} replicas: Hearth runs one")
    return section


def _front_door(
    sections: dict[str, dict[str, Any]], singles: Mapping[str, Service], engines: Sequence[Engine], told: Told
) -> None:
    """Let nginx take the address that people have: their own nginx's, the UI's, or the only engine's."""
    edge = sections.setdefault("nginx", {})
    ui, gateway = sections.get("open_webui", {}), sections["litellm"]
    published = [(one, port) for one in engines for port in one.service.ports if port.published is not None]
    if "nginx" not in singles and "expose" in ui:
        edge |= {key: ui.pop(key) for key in ("expose", "expose_address") if key in ui}
        told.change(
            singles["open_webui"].name, f"port {edge['expose']} is the front door's: / is the UI, /v1 the gateway"
        )
    free = gateway if "expose" in edge else edge
    if "litellm" not in singles and published and "expose" not in free:
        engine, port = published[0]
        free |= section_of(port, engine.service, told, has_login=True)
        told.change(engine.service.name, f"the gateway answers on port {port.published} in its place, for every model")
    if "expose" not in edge:
        edge["expose"] = None
    if "open_webui" not in singles:
        sections["open_webui"] = {"enabled": False}


def _placed(sections: Mapping[str, dict[str, Any]], roles: Mapping[str, str]) -> dict[str, Any]:
    """Return sections at their places in a stack file, monitoring's below one key."""
    values: dict[str, Any] = {}
    for role in [*dict.fromkeys(["litellm", "open_webui", "nginx", *roles.values()])]:
        head, _, rest = registry()[role].section.partition(".")
        section = sections.get(role)
        if section and rest:
            values.setdefault(head, {})[rest] = section
        elif section:
            values[head] = section
    return values


def _fetching(engines: Iterable[Engine]) -> dict[str, Any]:
    mirrors = {one.service.environment["HF_ENDPOINT"] for one in engines if one.service.environment.get("HF_ENDPOINT")}
    return {"prefetch": {"endpoint": sorted(mirrors)[0]}} if mirrors else {}


def _tell_project(project: Project, roles: Mapping[str, str], told: Told) -> None:
    if project.others:
        told.no_place(_ALL_OF_IT, f"{', '.join(project.others)} at the top of the file")
    present = set(roles.values())
    added = sorted({"litellm", "nginx", "prometheus", "alertmanager", "grafana", "node_exporter", "cadvisor"} - present)
    if added:
        sections = ", ".join(registry()[name].section for name in added)
        told.change(_ALL_OF_IT, f"comes along, unpublished: {sections} (enabled: false leaves one out)")
