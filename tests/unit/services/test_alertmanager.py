from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.errors import Severity
from infra.pipeline import needed_secrets
from tests.unit.monitoring.conftest import Tool, tool
from tests.unit.services.monitored import decided, file_of, made, said

__all__ = ["tool"]  # the fixture

CONFIG = "/etc/alertmanager/alertmanager.yml"
SLACK = {"channel": "#llm", "severities": ["critical"]}
MAIL = {
    "to": "ops@example.com",
    "from": "hearth@example.com",
    "smarthost": "smtp.example.com:587",
    "username": "hearth",
}
ALL = {"webhook": True, "slack": SLACK, "email": MAIL, "dead_mans_switch": True}
NAMES = {"alertWebhookUrl", "slackWebhookUrl", "smtpPassword", "deadMansSwitchUrl"}


def test_every_secret_is_a_file_and_is_asked_for() -> None:
    workload = made("alertmanager", ALL)
    assert {secret.name for secret in workload.secret_files.values()} == NAMES
    assert set(needed_secrets((workload,))) == NAMES
    config = file_of(workload, CONFIG)
    assert all(path in config for path in workload.secret_files)
    assert workload.secret_environment == {}


def test_without_settings_it_wants_no_secret_and_says_that_it_tells_nobody() -> None:
    assert made("alertmanager", {}).secret_files == {}
    _, found = decided("alertmanager", {})
    assert [(str(finding), finding.severity) for finding in found] == [
        (
            "hearth:monitoring.alertmanager: alerts are shown and reach nobody. Add webhook_url, webhook, slack or email.",
            Severity.NOTICE,
        )
    ]


def test_mail_without_an_account_wants_no_password() -> None:
    mail = {key: value for key, value in MAIL.items() if key != "username"}
    assert made("alertmanager", {"email": mail}).secret_files == {}


# What Alertmanager 0.25 reads, the one at hand: the addresses in files came with 0.26.
READ: dict[str, dict[str, Any]] = {
    "slack and mail": {"slack": SLACK, "email": MAIL},
    "addresses": {"webhook_url": "http://127.0.0.1:9/a", "dead_mans_switch_url": "https://alive.example/ping"},
    "times": {"webhook_url": "http://a:1", "group_wait": "0s", "group_interval": "90s", "repeat_interval": "1h 30m"},
}


@pytest.mark.parametrize("case", READ)
def test_amtool_reads_what_is_rendered(tmp_path: Path, tool: Tool, case: str) -> None:
    (tmp_path / "alertmanager.yml").write_text(file_of(made("alertmanager", READ[case]), CONFIG))
    ran = tool(tmp_path, "amtool", "check-config", "alertmanager.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_path_in_its_address_moves_no_health_check() -> None:
    workload = made("alertmanager", {"public_url": "https://example.com/alerts"})
    assert "--web.external-url=https://example.com/alerts" in workload.command
    assert "--web.route-prefix=/" in workload.command


def test_severities_reach_the_routes() -> None:
    config = yaml.safe_load(file_of(made("alertmanager", {"slack": SLACK, "webhook_url": "http://a:1"}), CONFIG))
    routes = {route["matchers"][0]: route["receiver"] for route in config["route"]["routes"]}
    assert routes['severity="critical"'] == "people"
    assert routes['severity="warning"'] == "people-warning"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"slack": {"channel": "llm"}}, "slack.channel: 'llm' is no channel of Slack. Write it as in #llm"),
        ({"slack": {}}, "slack.channel: is missing. Wanted: channel that alerts go to"),
        ({"slack": {**SLACK, "severities": []}}, "slack.severities: names nothing, so nobody is told there"),
        ({"slack": {**SLACK, "severities": ["loud"]}}, "slack.severities.0: input should be"),
        ({"email": {**MAIL, "to": "ops"}}, "email.to: 'ops' is no mail address. Write name@host.example"),
        ({"email": {**MAIL, "to": "a@b.example, c"}}, "email.to: 'a@b.example, c' is no mail address"),
        ({"email": {**MAIL, "from": "hearth"}}, "email.from: 'hearth' is no mail address"),
        (
            {"email": {"to": "a@b.example", "smarthost": "a:1"}},
            "email.from: is missing. Wanted: whom the mail says it is",
        ),
        (
            {"email": {**MAIL, "smarthost": "smtp.example.com"}},
            "email.smarthost: 'smtp.example.com' is no relay with its port",
        ),
        ({"email": {**MAIL, "smarthost": "smtp.example.com:0"}}, "email.smarthost: 'smtp.example.com:0' is no relay"),
        ({"email": {**MAIL, "tls": False}}, "email.tls: is off for smtp.example.com:587: the password of hearth"),
        ({"webhook_url": "hook"}, "webhook_url: 'hook' is no web address. Write it whole"),
        ({"webhook_url": "https://me:pw@hook"}, "webhook_url: has a name or a password in it"),
        (
            {"group_interval": "5m", "repeat_interval": "1m"},
            "repeat_interval: 60 s is less than group_interval (300 s)",
        ),
        (
            {"dead_mans_switch": True, "dead_mans_switch_url": "https://a"},
            "dead_mans_switch: is there with dead_mans_switch_url",
        ),
        ({"slak": {}}, "slak: is unknown. Did you mean slack"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(settings: dict[str, Any], wanted: str) -> None:
    found = said("alertmanager", settings)
    assert len(found) == 1, found
    assert found[0].startswith(f"hearth:monitoring.alertmanager.{wanted}")
    assert "me:pw" not in found[0]


def test_a_relay_on_the_same_machine_takes_a_password_in_the_clear() -> None:
    assert said("alertmanager", {"email": {**MAIL, "tls": False, "smarthost": "localhost:25"}}) == []


@pytest.mark.parametrize("key", ["webhook", "dead_mans_switch"])
def test_the_built_image_is_too_old_for_an_address_in_a_file(key: str) -> None:
    (found,) = said("alertmanager", {key: True}, imageSource="built")
    assert found.startswith(f"hearth:monitoring.alertmanager.{key}: needs Alertmanager 0.26")
    own = {"alertmanager": "prom/alertmanager:v0.28.1"}
    assert said("alertmanager", {key: True}, imageSource="built", images=own) == []
    assert said("alertmanager", {"slack": SLACK, "email": MAIL}, imageSource="built") == []
