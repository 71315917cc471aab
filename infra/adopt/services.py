"""The UI, the front door and the monitoring of a compose project as sections of a stack file."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from infra.adopt.compose_file import ComposeError, read_yaml
from infra.adopt.service import Port, Service
from infra.adopt.told import Told, is_secret, shown, without_secrets
from infra.config.types import is_web_address

Section = dict[str, Any]
# The port that people or programs ask, where a container has several.
MAIN_PORTS: Final[Mapping[str, tuple[int, ...]]] = {
    "litellm": (4000,), "open_webui": (8080,), "nginx": (80, 8080), "prometheus": (9090,), "grafana": (3000,),
    "alertmanager": (9093,),
}  # fmt: skip
# Whoever reaches them reads, or silences, everything: they have no login.
_NO_LOGIN: Final = frozenset({"prometheus", "alertmanager"})
_LOOPBACK: Final = "127.0.0.1"
_UI_SET: Final = frozenset(
    {"OPENAI_API_BASE_URL", "OPENAI_API_BASE_URLS", "OPENAI_API_KEY", "OPENAI_API_KEYS", "ENABLE_OPENAI_API", "DATA_DIR",
     "PORT", "HOST", "ENV", "ENABLE_PERSISTENT_CONFIG", "ENABLE_VERSION_UPDATE_CHECK", "ANONYMIZED_TELEMETRY", "DO_NOT_TRACK",
     "SCARF_NO_ANALYTICS"}
)  # fmt: skip
_GATEWAY_SET: Final = frozenset({"LITELLM_MODE", "LITELLM_LOCAL_MODEL_COST_MAP", "NO_DOCS", "CONFIG_FILE_PATH", "PORT"})
_WORDS_READ: Final = frozenset({"--config", "-c", "--host", "--port"})
_DAYS: Final = {"h": 1, "d": 24, "w": 168, "y": 8760}
_TRUE: Final = frozenset({"true", "1", "yes", "on"})


def exposed(service: Service, role: str, told: Told) -> Section:
    """Return expose: and expose_address: of a service, as the compose file publishes it."""
    published = [port for port in service.ports if port.published is not None]
    if service.keys.get("network_mode") == "host" and role in MAIN_PORTS:
        # Whatever it listens on is the host's.
        own = service.environment.get("PORT", "")
        inside = int(own) if own.isdigit() else MAIN_PORTS[role][0]
        return section_of(Port(inside, inside), service, told, has_login=role not in _NO_LOGIN)
    main = next((port for inside in MAIN_PORTS.get(role, ()) for port in published if port.inside == inside), None)
    main = main or (published[0] if role in MAIN_PORTS and published else None)
    for port in published:
        if port is not main:
            told.change(service.name, f"port {port.published} isn't published any more")
    return {} if main is None else section_of(main, service, told, has_login=role not in _NO_LOGIN)


def section_of(port: Port, service: Service, told: Told, *, has_login: bool) -> Section:
    """Return one published port in Hearth's words; what has no login is published on loopback alone."""
    section: Section = {"expose": port.published}
    if port.address in {_LOOPBACK, "::1"}:
        return section
    if not has_login:
        told.change(
            service.name,
            f"port {port.published} listens on {_LOOPBACK} only: it has no login (expose_address opens it)",
        )
        return section
    told.change(
        service.name,
        f"port {port.published} stays open on {port.address}; without expose_address it is {_LOOPBACK} only",
    )
    return {**section, "expose_address": port.address}


def gateway_section(service: Service, told: Told) -> Section:
    """Return what the container of LiteLLM, not its file, says."""
    words = [word for n, word in enumerate(service.argv[1:], 1) if service.argv[n - 1] not in _WORDS_READ]
    rest = [
        word for word in words if word not in _WORDS_READ and not word.startswith(("--config=", "--port=", "--host="))
    ]
    rest = [word for word in rest if word != "litellm"]
    if rest:
        told.no_place(service.name, f"{' '.join(without_secrets(rest))} of its command: Hearth writes the command")
    handled = {*_GATEWAY_SET, "LITELLM_MASTER_KEY"}
    return environment_of(service, handled, told)


def ui_section(service: Service, models: Collection[str], told: Told) -> Section:
    """Return hearth:ui."""
    given = service.environment
    section: Section = {}
    texts = {"WEBUI_NAME": "title", "WEBUI_ADMIN_EMAIL": "admin_email", "WEBUI_URL": "public_url"}
    section |= {field: given[name] for name, field in texts.items() if given.get(name)}
    if "ENABLE_SIGNUP" in given:
        section |= {"sign_up": True} if given["ENABLE_SIGNUP"].lower() in _TRUE else {}
    else:
        told.change(service.name, "nobody makes an account any more (sign_up: true lets them)")
    default = given.get("DEFAULT_MODELS", "").partition(",")[0]
    section |= {"default_model": default} if default in models else {}
    if given.get("WEBUI_AUTH", "true").lower() not in _TRUE:
        told.change(
            service.name, "people log in: WEBUI_AUTH is off today, and without accounts every chat is everybody's"
        )
    if any(given.get(name) for name in ("OLLAMA_BASE_URL", "OLLAMA_BASE_URLS")):
        told.no_place(service.name, "Ollama as a provider: the gateway is its only one")
    if given.get("DATABASE_URL"):
        told.no_place(
            service.name, "DATABASE_URL: accounts and chats are in that database, Hearth's UI keeps them in its volume"
        )
    told.change(
        service.name, "settings clicked in its admin pages count no more: the declaration does (ui: environment:)"
    )
    told.change(
        service.name, "accounts and passwords are those of its data; hearth:uiAdminPassword is for a new volume"
    )
    told.secret("uiSecretKey", service, "WEBUI_SECRET_KEY")
    told.secret("uiAdminPassword", service, "WEBUI_ADMIN_PASSWORD")
    handled = {*_UI_SET, *texts, "ENABLE_SIGNUP", "DEFAULT_MODELS", "WEBUI_AUTH", "OLLAMA_BASE_URL", "OLLAMA_BASE_URLS",
               "ENABLE_OLLAMA_API", "DATABASE_URL", "WEBUI_SECRET_KEY", "WEBUI_ADMIN_PASSWORD"}  # fmt: skip
    return section | environment_of(service, handled, told)


def edge_section(service: Service, told: Told) -> Section:
    """Return hearth:edge of a container of nginx: its configuration is Hearth's own."""
    told.no_place(
        service.name, "its own configuration: / goes to the UI and /v1 to the gateway; other routes aren't carried"
    )
    if any(port.inside == 443 for port in service.ports):  # noqa: PLR2004 - the port of TLS
        told.no_place(service.name, "TLS: the front door speaks HTTP; let what has the certificate pass to it")
    return environment_of(service, (), told)


def grafana_section(service: Service, told: Told) -> Section:
    """Return hearth:monitoring.grafana."""
    section: Section = {}
    user, root = service.environment.get("GF_SECURITY_ADMIN_USER"), service.environment.get("GF_SERVER_ROOT_URL", "")
    section |= {"admin_user": user} if user and user != "admin" else {}
    section |= {"public_url": root} if is_web_address(root) else {}
    told.secret("grafanaAdminPassword", service, "GF_SECURITY_ADMIN_PASSWORD")
    told.change(
        service.name, "accounts and passwords are those of its data; hearth:grafanaAdminPassword is for a new volume"
    )
    if any(
        mount.target.startswith("/etc/grafana/provisioning") or "dashboards" in mount.target for mount in service.mounts
    ):
        told.no_place(service.name, "its provisioned datasources and dashboards: Hearth brings its own; what was saved in Grafana "
                      "itself comes along with its volume")  # fmt: skip
    handled = {"GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD", *(("GF_SERVER_ROOT_URL",) if root else ())}
    return section | environment_of(service, handled, told)


def prometheus_section(service: Service, known: Collection[str], told: Told) -> Section:
    """Return hearth:monitoring.prometheus; `known` are names of the services that Hearth scrapes by itself."""
    section: Section = {}
    config = None
    for word in service.argv:
        flag, _, value = word.lstrip("-").partition("=")
        if flag == "storage.tsdb.retention.time" and (match := re.fullmatch(r"(\d+)([hdwy])", value)):
            section["retention"] = f"{int(match[1]) * _DAYS[match[2]]}h"
        elif flag == "storage.tsdb.retention.size" and (match := re.fullmatch(r"(\d+)([MGT])i?B", value)):
            section["retention_size"] = f"{match[1]}{match[2]}iB"
        elif flag == "config.file":
            config = service.host_path(value)
        elif word.startswith("-") and not flag.startswith(("storage.tsdb.path", "web.console")):
            told.no_place(service.name, f"{shown(word)}: Hearth writes the command")
    config = config or service.host_path("/etc/prometheus/prometheus.yml")
    if config is not None:
        try:
            _scrapes(read_yaml(config), service, known, section, told)
        except ComposeError as error:
            told.no_place(service.name, f"its {config.name} isn't known: {error.finding.problem}")
    return section | environment_of(service, (), told)


def _scrapes(document: Any, service: Service, known: Collection[str], section: Section, told: Told) -> None:
    written = document if isinstance(document, Mapping) else {}
    interval = (written.get("global") or {}).get("scrape_interval")
    if isinstance(interval, str) and re.fullmatch(r"\d+s", interval):
        section["scrape_interval"] = interval
    for job in written.get("scrape_configs") or ():
        hosts = {
            str(target).partition(":")[0]
            for one in job.get("static_configs") or ()
            for target in one.get("targets") or ()
        }
        foreign = sorted(hosts - set(known) - {"localhost", "127.0.0.1", "host.docker.internal"})
        if foreign or not hosts:
            told.no_place(service.name, f"the job {job.get('job_name')} ({', '.join(foreign) or 'found by discovery'}): Hearth "
                          "scrapes its own programs only")  # fmt: skip
    for part in ("rule_files", "alerting", "remote_write", "remote_read", "scrape_config_files"):
        if written.get(part):
            told.no_place(service.name, f"{part} of its configuration: rules and alerts are made from the declaration")


def environment_of(service: Service, handled: Collection[str], told: Told) -> Section:
    """Return further variables of a program; what looks like a secret is named and left out."""
    carried = {}
    for name, value in service.environment.items():
        if name in handled or value == "":
            continue
        if is_secret(name, value):
            told.no_place(service.name, f"{name}: it looks like a secret, and would be in the state")
        else:
            carried[name] = value
    return {"environment": carried} if carried else {}


def exporter_section(service: Service, told: Told) -> Section:
    """Return the section of an exporter: Hearth runs them the same way everywhere."""
    if service.argv:
        told.change(service.name, "runs with Hearth's own arguments")
    return environment_of(service, (), told)


TRANSLATED: Final[Mapping[str, Callable[[Service, Told], Section]]] = {
    "litellm": gateway_section,
    "nginx": edge_section,
    "grafana": grafana_section,
}
