"""Secrets are flat keys of their own (`hearth:gatewayMasterKey`), because Pulumi gives back secrets inside
structured configuration as plain text. Everything else holds only their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from infra.config.types import is_web_address
from infra.errors import Finding

_SHORTEST_KEY: Final = 20
# LiteLLM's documentation uses this key everywhere; newer versions refuse to start with it.
_KNOWN_KEYS: Final = frozenset({"sk-1234"})


@dataclass(frozen=True)
class SecretRef:
    """The name of a secret key of the stack's configuration; never its value."""

    name: str


@dataclass(frozen=True)
class SecretSpec:
    """What a secret is for, and how it can be made: a random key (`sk-…`), a password, or only by its owner.

    `is_url` says that it is an address that whoever knows it may post to.
    """

    name: str
    description: str
    generate: Literal["key", "password", ""]
    is_url: bool = False


SECRETS: Final = {
    spec.name: spec
    for spec in (
        SecretSpec("gatewayMasterKey", "LiteLLM's master key: opens every model, starts with sk-", "key"),
        SecretSpec("engineKey", "the key engines ask for; only the gateway has it", "key"),
        SecretSpec("uiSecretKey", "signs Open WebUI's sessions; a new one logs everybody out", "password"),
        SecretSpec(
            "uiAdminPassword", "password of Open WebUI's first account, used at the first start only", "password"
        ),
        SecretSpec("grafanaAdminPassword", "password of Grafana's admin, used at the first start only", "password"),
        SecretSpec("grafanaOidcSecret", "Grafana's client secret at the identity provider", ""),
        SecretSpec("alertWebhookUrl", "address that alerts are posted to, when it is a secret", "", is_url=True),
        SecretSpec("slackWebhookUrl", "Slack's incoming webhook for alerts", "", is_url=True),
        SecretSpec("smtpPassword", "password of the account that sends alerts by mail", ""),
        SecretSpec("deadMansSwitchUrl", "address of the watch that misses a sign of life", "", is_url=True),
        SecretSpec("remoteWritePassword", "password of the store that Prometheus writes to", ""),
        SecretSpec("remoteWriteToken", "bearer token of the store that Prometheus writes to", ""),
        SecretSpec("hfToken", "Hugging Face token, for gated models", ""),
    )
}


def set_command(name: str) -> str:
    """Return the command that sets a secret, for a Finding's fix."""
    return f"set it with `pulumi config set --secret hearth:{name}`"


def check_secrets(values: Mapping[str, str | None]) -> list[Finding]:
    """Check the secrets that are set; a value of None is set but can't be read here. No finding holds a value."""
    findings = []
    for name, value in values.items():
        if value is None:
            continue
        if not value.strip():
            findings.append(Finding(f"hearth:{name}", "is empty", set_command(name)))
        elif name in SECRETS and SECRETS[name].generate == "key":
            findings += _check_key(name, value)
        elif name in SECRETS and SECRETS[name].is_url and not is_web_address(value.strip()):
            findings.append(Finding(f"hearth:{name}", "is no web address (https://…)", set_command(name)))
    return findings


def _check_key(name: str, value: str) -> list[Finding]:
    path = f"hearth:{name}"
    if value in _KNOWN_KEYS:
        return [Finding(path, "is the default that everybody knows", set_command(name))]
    if not value.startswith("sk-"):
        return [Finding(path, "doesn't start with sk-, which LiteLLM wants of a key", set_command(name))]
    if len(value) < _SHORTEST_KEY:
        return [Finding(path, f"has {len(value)} characters, at least {_SHORTEST_KEY} are wanted", set_command(name))]
    return []
