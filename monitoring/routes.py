"""Who is told of an alert, and which alerts say nothing new: the configuration of Alertmanager 0.25 and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

# What an alert's `severity` may say, but for the Watchdog's own `none`. Alerts with another one go to everybody.
SEVERITIES: Final = ("critical", "warning", "info")

_EVERYBODY: Final = "people"
_NOBODY: Final = "nobody"
_SWITCH: Final = "dead-mans-switch"
_WATCHDOG: Final = "Watchdog"
# Long enough for what caused an alert to arrive and silence it: all rules of a group are evaluated at once.
_CRITICAL_WAIT_S: Final = 10.0
# A notification goes out when a group is looked at and the last one is older than the second figure: every 60 s. With
# 60 s itself the second look would come a moment too early, and it would be every 120 s.
_SWITCH_LOOK_S: Final = 30.0
_SWITCH_REPEAT_S: Final = 50.0
# One of several disks, cards or models being critical says nothing of the others: all of these must be the same.
_SAME: Final = ("alertname", "host", "instance", "model_name", "name", "device", "mountpoint", "gpu", "gpu_id", "UUID")
_SLACK_TITLE: Final = (
    "[{{ .Status }}] {{ .CommonLabels.alertname }}{{ with .CommonLabels.severity }} ({{ . }}){{ end }}"
)
_SLACK_TEXT: Final = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.runbook_url }}\n{{ end }}"


@dataclass(frozen=True)
class Webhook:
    """A program that alerts are posted to. `url_file` is a file with its address (Alertmanager 0.26 and later)."""

    url: str = ""
    url_file: str = ""
    severities: tuple[str, ...] = SEVERITIES


@dataclass(frozen=True)
class Slack:
    """A channel of Slack; `url_file` is a file with the address of its incoming webhook."""

    channel: str
    url_file: str
    severities: tuple[str, ...] = SEVERITIES


@dataclass(frozen=True)
class Mail:
    """Mail by a relay (`smarthost`: host:port). With a `username` it logs in, with the password in `password_file`."""

    to: str
    sender: str
    smarthost: str
    username: str = ""
    password_file: str = ""
    tls: bool = True
    severities: tuple[str, ...] = SEVERITIES


Channel = Webhook | Slack | Mail


@dataclass(frozen=True)
class Receivers:
    """Everybody who is told, and how fast; the defaults of the times are Alertmanager's own.

    `dead_mans_switch` is told once a minute, by the alert Watchdog, that alerting works: it raises the alarm when not.
    """

    channels: tuple[Channel, ...] = ()
    dead_mans_switch: Webhook | None = None
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float = 4 * 3600.0


def alertmanager_config(receivers: Receivers) -> str:
    """Return alertmanager.yml. Without channels alerts are kept and shown, and nobody is told."""
    names = {severity: _receiver_of(severity, receivers.channels) for severity in SEVERITIES}
    told = {_EVERYBODY: receivers.channels, _NOBODY: ()}
    told |= {names[severity]: _wanting(severity, receivers.channels) for severity in SEVERITIES}
    made = [_receiver(name, channels) for name, channels in sorted(told.items())]
    if receivers.dead_mans_switch is not None:
        # An end of it is no good news: whoever is told must not hear of a resolved alert.
        made.append({"name": _SWITCH, "webhook_configs": [_webhook(receivers.dead_mans_switch, send_resolved=False)]})
    config = {
        "route": {
            "receiver": _EVERYBODY,
            "group_by": ["alertname", "model_name"],
            "group_wait": _duration(receivers.group_wait_s),
            "group_interval": _duration(receivers.group_interval_s),
            "repeat_interval": _duration(receivers.repeat_interval_s),
            "routes": [_watchdog(receivers), *_routes(receivers, names)],
        },
        "receivers": made,
        "inhibit_rules": _inhibitions(),
    }
    return yaml.safe_dump(config, sort_keys=True, default_flow_style=False, width=120)


def _wanting(severity: str, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    return tuple(channel for channel in channels if severity in channel.severities)


def _receiver_of(severity: str, channels: tuple[Channel, ...]) -> str:
    wanting = _wanting(severity, channels)
    if wanting == channels:
        return _EVERYBODY
    return f"{_EVERYBODY}-{severity}" if wanting else _NOBODY


def _watchdog(receivers: Receivers) -> dict[str, Any]:
    matchers = [f'alertname="{_WATCHDOG}"']
    if receivers.dead_mans_switch is None:
        return {"receiver": _NOBODY, "matchers": matchers}
    return {
        "receiver": _SWITCH,
        "matchers": matchers,
        "group_wait": "0s",
        "group_interval": _duration(_SWITCH_LOOK_S),
        "repeat_interval": _duration(_SWITCH_REPEAT_S),
    }


def _routes(receivers: Receivers, names: dict[str, str]) -> list[dict[str, Any]]:
    wait = _duration(min(_CRITICAL_WAIT_S, receivers.group_wait_s))
    critical = {"receiver": names["critical"], "matchers": ['severity="critical"'], "group_wait": wait}
    others = [
        {"receiver": names[severity], "matchers": [f'severity="{severity}"']}
        for severity in SEVERITIES[1:]
        if names[severity] != _EVERYBODY
    ]
    return [critical, *others]


def _receiver(name: str, channels: tuple[Channel, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    for channel in channels:
        match channel:
            case Webhook():
                made.setdefault("webhook_configs", []).append(_webhook(channel, send_resolved=True))
            case Slack():
                made.setdefault("slack_configs", []).append(_slack(channel))
            case Mail():
                made.setdefault("email_configs", []).append(_mail(channel))
    return made


def _webhook(webhook: Webhook, *, send_resolved: bool) -> dict[str, Any]:
    address = {"url_file": webhook.url_file} if webhook.url_file else {"url": webhook.url}
    return {**address, "send_resolved": send_resolved}


def _slack(slack: Slack) -> dict[str, Any]:
    return {
        "api_url_file": slack.url_file,
        "channel": slack.channel,
        "send_resolved": True,
        "title": _SLACK_TITLE,
        # Alertmanager's own text is empty: what has happened, and what to do, must not need another click.
        "text": _SLACK_TEXT,
    }


def _mail(mail: Mail) -> dict[str, Any]:
    login = {"auth_username": mail.username, "auth_password_file": mail.password_file} if mail.username else {}
    return {
        "to": mail.to,
        "from": mail.sender,
        "smarthost": mail.smarthost,
        "require_tls": mail.tls,
        "send_resolved": True,
        **login,
    }


def _inhibitions() -> list[dict[str, Any]]:
    """Return what silences what. An absent label equals an empty one, so a source must have the label that is compared."""
    return [
        # A host that is gone explains all that is gone with it; that alerting works it doesn't explain.
        _silences("HostDown", f'alertname!~"HostDown|{_WATCHDOG}"', by="host"),
        # An engine, or whatever else, that doesn't answer can't be slow.
        _silences("EngineDown", 'severity="warning"', 'alertname!="EngineDown"', by="instance"),
        _silences("TargetDown", 'severity="warning"', 'alertname!="TargetDown"', by="instance"),
        # It was restarted until it was out of starts: one alert, not four.
        _silences("EngineFailed", 'alertname=~"EngineDown|EngineRestarted|EngineCrashLooping"', by="instance"),
        {
            "source_matchers": ['severity="critical"'],
            "target_matchers": ['severity="warning"'],
            "equal": list(_SAME),
        },
    ]


def _silences(source: str, *targets: str, by: str) -> dict[str, Any]:
    return {
        "source_matchers": [f'alertname="{source}"', f'{by}!=""'],
        "target_matchers": list(targets),
        "equal": [by],
    }


def _duration(duration_s: float) -> str:
    """Write seconds as Prometheus's programs read them: whole numbers only."""
    return f"{round(duration_s)}s" if duration_s == round(duration_s) else f"{round(duration_s * 1000)}ms"
