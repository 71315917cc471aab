"""Alertmanager: groups, silences and passes on what Prometheus finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

import monitoring
from images import recipes
from infra.config.schema import StackConfig
from infra.config.secrets import SecretRef
from infra.config.types import DurationS, Model, WebAddress
from infra.errors import Finding, Severity
from infra.services.base import (
    ConfigFile,
    Context,
    Endpoint,
    Probe,
    Scope,
    Service,
    Settings,
    Volume,
    Workload,
    secret_file,
)
from infra.services.files import GENERATED

PORT: Final = 9093
_CONFIG: Final = "/etc/alertmanager/alertmanager.yml"
_WEBHOOK: Final = SecretRef("alertWebhookUrl")
_SLACK: Final = SecretRef("slackWebhookUrl")
_SMTP: Final = SecretRef("smtpPassword")
_SWITCH: Final = SecretRef("deadMansSwitchUrl")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_RELAY: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:/@\[\]]+):[1-9][0-9]{0,4}", re.ASCII)
_MAILBOX: Final = re.compile(r"[^\s@,]+@[^\s@,]+")


def _channel(value: str) -> str:
    if not re.fullmatch(r"[#@][^\s#@]+", value):
        msg = f"{value!r} is no channel of Slack; write it as in #llm, or a person as in @kim"
        raise ValueError(msg)
    return value


def _mailboxes(value: str) -> str:
    if not all(_MAILBOX.fullmatch(one.strip()) for one in value.split(",")):
        msg = f"{value!r} is no mail address; write name@host.example, several with commas between"
        raise ValueError(msg)
    return value


def _mailbox(value: str) -> str:
    if not _MAILBOX.fullmatch(value):
        msg = f"{value!r} is no mail address; write name@host.example"
        raise ValueError(msg)
    return value


def _relay(value: str) -> str:
    if not _RELAY.fullmatch(value):
        msg = f"{value!r} is no relay with its port; write host:port, as in smtp.example.com:587"
        raise ValueError(msg)
    return value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        msg = "names nothing, so nobody is told there; name some of critical, warning, info"
        raise ValueError(msg)
    return value


Level = Literal["critical", "warning", "info"]
# Not by Field(min_length=1): of a wrong level pydantic would say as well that there are too few.
Levels = Annotated[tuple[Level, ...], AfterValidator(_some)]
_ALL: Final[tuple[Level, ...]] = ("critical", "warning", "info")


class SlackSettings(Model):
    """hearth:monitoring.alertmanager.slack."""

    channel: Annotated[str, AfterValidator(_channel)] = Field(description="channel that alerts go to, as in #llm")
    severities: Levels = Field(
        default=_ALL, description="which alerts go there (default all: a channel wakes nobody at night)"
    )


class MailSettings(Model):
    """hearth:monitoring.alertmanager.email."""

    to: Annotated[str, AfterValidator(_mailboxes)] = Field(description="who gets alerts by mail, as in ops@example.com")
    sender: Annotated[str, AfterValidator(_mailbox)] = Field(alias="from", description="whom the mail says it is from")
    smarthost: Annotated[str, AfterValidator(_relay)] = Field(
        description="relay that takes the mail, with its port, as in smtp.example.com:587"
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        description="account at the relay, with hearth:smtpPassword (default none: many relays know their own network)",
    )
    tls: bool = Field(
        default=True, description="whether the relay must speak TLS (default yes: what alerts say is read on the way)"
    )
    severities: Levels = Field(default=_ALL, description="which alerts go there (default all)")


class AlertmanagerSettings(Settings):
    """hearth:monitoring.alertmanager."""

    webhook_url: WebAddress | None = Field(
        default=None, description="address that alerts are posted to, when it is no secret; nobody is told without"
    )
    webhook: bool = Field(
        default=False,
        description="whether alerts are posted to hearth:alertWebhookUrl, an address that is a secret (default no)",
    )
    webhook_severities: Levels = Field(
        default=_ALL, description="which alerts are posted (default all: a program chooses by itself)"
    )
    slack: SlackSettings | None = Field(default=None, description="a channel of Slack, by hearth:slackWebhookUrl")
    email: MailSettings | None = Field(default=None, description="mail")
    dead_mans_switch: bool = Field(
        default=False,
        description="whether hearth:deadMansSwitchUrl is told every minute that alerting works (default no: who watches "
        "the watcher is a service elsewhere)",
    )
    dead_mans_switch_url: WebAddress | None = Field(default=None, description="the same address, when it is no secret")
    group_wait: DurationS = Field(
        default=30,
        description="how long the first alert of a group waits for others (default 30s, Alertmanager's own; critical ones "
        "wait 10s at most)",
    )
    group_interval: DurationS = Field(
        default=300,
        ge=1,
        description="time between two messages about a group that has changed (default 5min, Alertmanager's own)",
    )
    repeat_interval: DurationS = Field(
        default=4 * 3600,
        ge=1,
        description="time until an alert that still fires is told again (default 4h, Alertmanager's own)",
    )
    public_url: WebAddress | None = Field(
        default=None, description="address people reach Alertmanager at: links in messages start with it"
    )


class Alertmanager(Service[AlertmanagerSettings]):
    """The stack's alert router."""

    name: ClassVar[str] = "alertmanager"
    section: ClassVar[str] = "monitoring.alertmanager"
    official_image: ClassVar[str] = "prom/alertmanager:v0.28.1"
    settings_type = AlertmanagerSettings

    def endpoints(self, settings: AlertmanagerSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        return (Endpoint(self.name, "alertmanager", self.host(settings, scope.config), PORT, metrics_path="/metrics"),)

    def workloads(self, settings: AlertmanagerSettings, context: Context) -> tuple[Workload, ...]:
        """Return Alertmanager with its routes."""
        config = monitoring.alertmanager_config(_receivers(settings))
        return (
            Workload(
                instance="alertmanager",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=(
                    "/bin/alertmanager",
                    f"--config.file={_CONFIG}",
                    "--storage.path=/alertmanager",
                    # One instance gossips with nobody; without this it opens a cluster port and waits for peers.
                    "--cluster.listen-address=",
                    *_public(settings.public_url),
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                secret_files={secret_file(secret): secret for secret in _secrets(settings)},
                files=(ConfigFile(_CONFIG, f"# {GENERATED}\n{config}"),),
                volumes=(Volume("alertmanager-data", "/alertmanager"),),
                published=self.published(settings, PORT),
                silencer=("/bin/amtool", f"--alertmanager.url=http://127.0.0.1:{PORT}"),
                probe=Probe(PORT, "/-/ready", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )

    def findings(self, settings: AlertmanagerSettings, context: Context) -> tuple[Finding, ...]:
        """Say when alerts reach nobody, and what the image or a relay can't do."""
        return tuple(_findings(settings, f"hearth:{self.section}", is_built=self._is_built(context.config)))

    def _is_built(self, config: StackConfig) -> bool:
        return self.image(config) == recipes.reference(recipes.SERVICES[self.name])


def _findings(settings: AlertmanagerSettings, path: str, *, is_built: bool) -> Iterator[Finding]:
    if not _receivers(settings).channels:
        fix = "add webhook_url, webhook, slack or email"
        yield Finding(path, "alerts are shown and reach nobody", fix, Severity.NOTICE)
    if is_built:
        for key, plain in (("webhook", "webhook_url"), ("dead_mans_switch", "dead_mans_switch_url")):
            if getattr(settings, key):
                problem = "needs Alertmanager 0.26, which reads an address from a file; the built image has 0.25"
                yield Finding(
                    f"{path}.{key}", problem, f"set hearth:images.alertmanager, or {plain} if it is no secret"
                )
    if settings.dead_mans_switch and settings.dead_mans_switch_url:
        fix = "keep one: dead_mans_switch_url only if the address is no secret"
        yield Finding(f"{path}.dead_mans_switch", "is there with dead_mans_switch_url, and one is told", fix)
    if settings.repeat_interval < settings.group_interval:
        problem = f"{settings.repeat_interval:g} s is less than group_interval ({settings.group_interval:g} s), so it can't be kept"
        yield Finding(f"{path}.repeat_interval", problem, "make it longer, or group_interval shorter")
    mail = settings.email
    if mail is not None and mail.username and not mail.tls and _host_of(mail.smarthost) not in _LOOPBACK:
        # Go's SMTP client refuses to log in so, but for a relay on the same machine.
        problem = f"is off for {mail.smarthost}: the password of {mail.username} isn't sent in the clear, and no mail goes out"
        yield Finding(f"{path}.email.tls", problem, "remove it, or remove username")


def _host_of(relay: str) -> str | None:
    return urlsplit(f"//{relay}").hostname


def _public(url: str | None) -> tuple[str, ...]:
    # A path in it would move its own addresses too, which Prometheus and the health check ask for.
    return () if url is None else (f"--web.external-url={url}", "--web.route-prefix=/")


def _secrets(settings: AlertmanagerSettings) -> tuple[SecretRef, ...]:
    wanted = {
        _WEBHOOK: settings.webhook,
        _SLACK: settings.slack is not None,
        _SMTP: settings.email is not None and settings.email.username is not None,
        _SWITCH: settings.dead_mans_switch,
    }
    return tuple(secret for secret, is_wanted in wanted.items() if is_wanted)


def _receivers(settings: AlertmanagerSettings) -> monitoring.Receivers:
    channels: list[monitoring.Channel] = []
    if settings.webhook_url is not None:
        channels.append(monitoring.Webhook(url=settings.webhook_url, severities=settings.webhook_severities))
    if settings.webhook:
        channels.append(monitoring.Webhook(url_file=secret_file(_WEBHOOK), severities=settings.webhook_severities))
    if settings.slack is not None:
        channels.append(monitoring.Slack(settings.slack.channel, secret_file(_SLACK), settings.slack.severities))
    if settings.email is not None:
        mail = settings.email
        login = (mail.username, secret_file(_SMTP)) if mail.username else ("", "")
        channels.append(monitoring.Mail(mail.to, mail.sender, mail.smarthost, *login, mail.tls, mail.severities))
    return monitoring.Receivers(
        channels=tuple(channels),
        dead_mans_switch=_switch(settings),
        group_wait_s=settings.group_wait,
        group_interval_s=settings.group_interval,
        repeat_interval_s=settings.repeat_interval,
    )


def _switch(settings: AlertmanagerSettings) -> monitoring.Webhook | None:
    if settings.dead_mans_switch:
        return monitoring.Webhook(url_file=secret_file(_SWITCH))
    return monitoring.Webhook(url=settings.dead_mans_switch_url) if settings.dead_mans_switch_url else None
