"""Grafana: datasources, dashboards and login provisioned; nothing is clicked together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import Field

import monitoring
from infra.config.secrets import SecretRef
from infra.config.types import Model, WebAddress
from infra.errors import Finding
from infra.services.base import (
    ConfigFile,
    Context,
    Endpoint,
    Probe,
    Reach,
    Scope,
    Service,
    Settings,
    Volume,
    Workload,
    secret_file,
)
from infra.services.files import yaml_text
from infra.services.subjects import subjects

PORT: Final = 3000
_DASHBOARDS: Final = "/var/lib/hearth/dashboards"
_PROVISIONING: Final = "/etc/grafana/provisioning"
_PASSWORD: Final = SecretRef("grafanaAdminPassword")
_OIDC_SECRET: Final = SecretRef("grafanaOidcSecret")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcSettings(Model):
    """hearth:monitoring.grafana.oidc."""

    client_id: str = Field(
        min_length=1, description="Grafana's name at the identity provider; its secret is hearth:grafanaOidcSecret"
    )
    auth_url: WebAddress = Field(description="where people log in, the provider's authorization_endpoint")
    token_url: WebAddress = Field(description="where Grafana asks who they are, the provider's token_endpoint")
    api_url: WebAddress | None = Field(
        default=None,
        description="the provider's userinfo_endpoint (default none: the token itself says who somebody is)",
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"),
        description="what Grafana asks for (default openid, profile, email: name and mail address, no more)",
    )
    name: str = Field(
        default="single sign-on",
        min_length=1,
        description="what the login button says (default single sign-on: what it is)",
    )
    role_attribute_path: str | None = Field(
        default=None,
        description="JMESPath from what the provider says to Viewer, Editor or Admin (default none: all are viewers)",
    )
    allow_sign_up: bool = Field(
        default=True, description="whether whom the provider knows may come in for the first time (default yes)"
    )
    auto_login: bool = Field(
        default=False, description="whether the provider is asked at once, without a button (default no)"
    )


class GrafanaSettings(Settings):
    """hearth:monitoring.grafana."""

    admin_user: str = Field(
        default="admin",
        min_length=1,
        description="name of the first account, made at the first start (default admin, Grafana's own)",
    )
    public_url: WebAddress | None = Field(
        default=None,
        description="address people use, as in https://grafana.example.com; a login elsewhere leads back to it",
    )
    oidc: OidcSettings | None = Field(default=None, description="login by an identity provider")
    login_form: bool = Field(
        default=True, description="whether names and passwords can be used (default yes: the admin has nothing else)"
    )


class Grafana(Service[GrafanaSettings]):
    """Grafana with Hearth's dashboards."""

    name: ClassVar[str] = "grafana"
    section: ClassVar[str] = "monitoring.grafana"
    official_image: ClassVar[str] = "grafana/grafana:11.6.0"
    settings_type = GrafanaSettings

    def endpoints(self, settings: GrafanaSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        return (Endpoint(self.name, "grafana", self.host(settings, scope.config), PORT, metrics_path="/metrics"),)

    def reaches(self, settings: GrafanaSettings, context: Context) -> tuple[Reach, ...]:
        """Return the sources of its panels."""
        del settings
        return tuple(Reach.to(endpoint) for endpoint in (*context.of("prometheus"), *context.of("alertmanager")))

    def workloads(self, settings: GrafanaSettings, context: Context) -> tuple[Workload, ...]:
        """Return Grafana with its provisioning."""
        secrets = (_PASSWORD, _OIDC_SECRET) if settings.oidc else (_PASSWORD,)
        return (
            Workload(
                instance="grafana",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("/run.sh",),
                restart=settings.restart or context.config.restart,
                environment={**_environment(settings), **settings.environment},
                secret_files={secret_file(secret): secret for secret in secrets},
                files=_provisioning(context),
                volumes=(Volume("grafana-data", "/var/lib/grafana"),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/api/health", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )

    def findings(self, settings: GrafanaSettings, context: Context) -> tuple[Finding, ...]:
        """Check that people can log in, and that nobody else reads how."""
        del context
        return tuple(_findings(settings, f"hearth:{self.section}"))


def _findings(settings: GrafanaSettings, path: str) -> Iterator[Finding]:
    if settings.oidc is None:
        if not settings.login_form:
            yield Finding(f"{path}.login_form", "is off without oidc, so nobody can log in", "add oidc, or remove it")
        return
    if settings.public_url is None:
        fix = "write the address that people use, as in https://grafana.example.com"
        yield Finding(f"{path}.public_url", "is missing, and oidc leads people back to it", fix)
    addresses = {
        "public_url": settings.public_url,
        "oidc.auth_url": settings.oidc.auth_url,
        "oidc.token_url": settings.oidc.token_url,
        "oidc.api_url": settings.oidc.api_url,
    }
    for key, url in addresses.items():
        parts = urlsplit(url or "")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            yield Finding(f"{path}.{key}", f"{url} is read by everybody on the way, logins too", "write https://")
    if "openid" not in settings.oidc.scopes:
        problem = f"lacks openid (it is {', '.join(settings.oidc.scopes) or 'empty'}), without which it is no login"
        yield Finding(f"{path}.oidc.scopes", problem, "add openid")


def _environment(settings: GrafanaSettings) -> dict[str, str]:
    made = {
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_DASHBOARDS}/overview.json",
        "GF_SECURITY_ADMIN_USER": settings.admin_user,
        # Its start script reads the file: the password is in no declaration.
        "GF_SECURITY_ADMIN_PASSWORD__FILE": secret_file(_PASSWORD),
        "GF_USERS_ALLOW_SIGN_UP": "false",
    }
    if settings.public_url is not None:
        made["GF_SERVER_ROOT_URL"] = settings.public_url
    if not settings.login_form:
        made["GF_AUTH_DISABLE_LOGIN_FORM"] = "true"
    return made | (_oidc(settings.oidc) if settings.oidc is not None else {})


def _oidc(oidc: OidcSettings) -> dict[str, str]:
    made = {
        "ENABLED": "true",
        "NAME": oidc.name,
        "CLIENT_ID": oidc.client_id,
        "CLIENT_SECRET__FILE": secret_file(_OIDC_SECRET),
        "SCOPES": " ".join(oidc.scopes),
        "AUTH_URL": oidc.auth_url,
        "TOKEN_URL": oidc.token_url,
        "API_URL": oidc.api_url,
        "ROLE_ATTRIBUTE_PATH": oidc.role_attribute_path,
        "ALLOW_SIGN_UP": str(oidc.allow_sign_up).lower(),
        "AUTO_LOGIN": str(oidc.auto_login).lower(),
        # A code that somebody catches on its way is of no use to them.
        "USE_PKCE": "true",
    }
    return {f"GF_AUTH_GENERIC_OAUTH_{key}": value for key, value in made.items() if value is not None}


def _provisioning(context: Context) -> tuple[ConfigFile, ...]:
    provider = {
        "name": "hearth",
        "folder": "Hearth",
        # Fixed, so that links and permissions outlive the database.
        "folderUid": "hearth",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": _DASHBOARDS},
    }
    sources = [*_prometheus(context), *_alertmanager(context)]
    files = (
        _provisioned("datasources", {"prune": True, "datasources": sources}),
        _provisioned("dashboards", {"providers": [provider]}),
    )
    dashboards = monitoring.dashboard_files(subjects(context))
    return (*files, *(ConfigFile(f"{_DASHBOARDS}/{name}", text) for name, text in sorted(dashboards.items())))


def _provisioned(kind: str, content: dict[str, Any]) -> ConfigFile:
    text = yaml_text({"apiVersion": 1, **_unexpanded(content)})
    return ConfigFile(f"{_PROVISIONING}/{kind}/hearth.yml", text)


def _unexpanded(value: Any) -> Any:
    """Return a value in which Grafana replaces nothing: it takes $NAME for a variable of its environment."""
    if isinstance(value, dict):
        return {key: _unexpanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_unexpanded(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _source(name: str, kind: str, address: str, more: dict[str, Any], *, is_default: bool) -> dict[str, Any]:
    return {
        "name": name,
        "uid": kind,
        "type": kind,
        "access": "proxy",
        "url": f"http://{address}",
        "isDefault": is_default,
        "editable": False,
        "jsonData": more,
    }


def _prometheus(context: Context) -> Iterator[dict[str, Any]]:
    # Another service's settings; what all services have is all that is known of them here.
    interval_s = getattr(context.settings.get("prometheus"), "scrape_interval", None)
    for endpoint in context.of("prometheus"):
        more: dict[str, Any] = {"httpMethod": "POST"}
        if interval_s is not None:
            # A rate over less than a few scrapes is blank: panels choose their windows by this.
            more["timeInterval"] = f"{int(interval_s)}s"
        yield _source("Prometheus", "prometheus", endpoint.address, more, is_default=True)


def _alertmanager(context: Context) -> Iterator[dict[str, Any]]:
    # Alerts are Prometheus's alone: a second source of them would tell people twice.
    more = {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}
    for endpoint in context.of("alertmanager"):
        yield _source("Alertmanager", "alertmanager", endpoint.address, more, is_default=False)
