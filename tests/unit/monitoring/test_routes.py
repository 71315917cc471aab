"""Who is told of what: amtool reads every configuration, and says where an alert would go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import SEVERITIES, Channel, Mail, Receivers, Slack, Webhook, alertmanager_config
from tests.unit.monitoring.conftest import Tool

HOOK = Webhook(url="http://127.0.0.1:9/alerts")
SLACK = Slack("#llm", "/run/secrets/files/slackWebhookUrl")
MAIL = Mail(
    "a@example.com, b@example.com", "hearth@example.com", "smtp.example.com:587", "hearth", "/run/secrets/files/p"
)
SWITCH = Webhook(url="http://127.0.0.1:9/alive")


def quiet(channel: Slack) -> Slack:
    return Slack(channel.channel, channel.url_file, ("critical",))


CASES: dict[str, Receivers] = {
    "nobody": Receivers(),
    "a webhook": Receivers((HOOK,)),
    "everything": Receivers((HOOK, SLACK, MAIL), SWITCH),
    "critical alerts alone": Receivers((quiet(SLACK),)),
    "two channels": Receivers((HOOK, quiet(SLACK))),
    "mail without a login": Receivers((Mail("a@example.com", "b@example.com", "127.0.0.1:25", tls=False),)),
    "fast": Receivers((HOOK,), group_wait_s=0.25, group_interval_s=1, repeat_interval_s=2.5),
}


def config_of(receivers: Receivers) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(alertmanager_config(receivers))
    return config


@pytest.mark.parametrize("case", CASES)
def test_amtool_reads_the_configuration(tmp_path: Path, tool: Tool, case: str) -> None:
    (tmp_path / "alertmanager.yml").write_text(alertmanager_config(CASES[case]))
    ran = tool(tmp_path, "amtool", "check-config", "alertmanager.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("case", "receiver", "labels"),
    [
        ("nobody", "nobody", "alertname=Watchdog severity=none"),
        ("nobody", "people", "alertname=TargetDown severity=critical"),
        ("a webhook", "people", "alertname=TargetDown severity=critical"),
        ("a webhook", "people", "alertname=TargetDown severity=warning"),
        ("a webhook", "nobody", "alertname=Watchdog severity=none"),
        ("everything", "dead-mans-switch", "alertname=Watchdog severity=none"),
        ("everything", "people", "alertname=TargetDown severity=info"),
        ("critical alerts alone", "people", "alertname=TargetDown severity=critical"),
        ("two channels", "people", "alertname=TargetDown severity=critical"),
        ("two channels", "people-warning", "alertname=TargetDown severity=warning"),
        ("critical alerts alone", "nobody", "alertname=TargetDown severity=warning"),
        ("critical alerts alone", "people", "alertname=MadeByHand severity=unheard-of"),
    ],
)
def test_an_alert_goes_where_it_should(tmp_path: Path, tool: Tool, case: str, receiver: str, labels: str) -> None:
    (tmp_path / "alertmanager.yml").write_text(alertmanager_config(CASES[case]))
    verify = ("--config.file=alertmanager.yml", f"--verify.receivers={receiver}")
    ran = tool(tmp_path, "amtool", "config", "routes", "test", *verify, *labels.split())
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_channel_hears_of_its_severities_only() -> None:
    critical, calm = quiet(SLACK), Webhook(url="http://127.0.0.1:9/calm", severities=("warning", "info"))
    config = config_of(Receivers((critical, calm, MAIL)))
    by_name = {receiver["name"]: set(receiver) - {"name"} for receiver in config["receivers"]}
    told = {
        severity: by_name[route["receiver"]]
        for severity in SEVERITIES
        for route in config["route"]["routes"]
        if route["matchers"] == [f'severity="{severity}"']
    }
    assert told == {
        "critical": {"slack_configs", "email_configs"},
        "warning": {"webhook_configs", "email_configs"},
        "info": {"webhook_configs", "email_configs"},
    }
    assert by_name["people"] == {"slack_configs", "webhook_configs", "email_configs"}
    assert by_name["nobody"] == set()


@pytest.mark.parametrize(("group_wait_s", "wanted"), [(30.0, "10s"), (4.0, "4s"), (0.0, "0s")])
def test_critical_alerts_never_wait_longer_than_others(group_wait_s: float, wanted: str) -> None:
    config = config_of(Receivers((HOOK,), group_wait_s=group_wait_s))
    (critical,) = (route for route in config["route"]["routes"] if route["matchers"] == ['severity="critical"'])
    assert critical["group_wait"] == wanted


def test_the_dead_mans_switch_is_told_once_a_minute_and_never_of_an_end() -> None:
    config = config_of(Receivers((HOOK,), SWITCH))
    route = config["route"]["routes"][0]
    # A look every 30 s, and a message when the last is older than 50 s: at 60 s, not at 30.
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "30s", "50s")
    (switch,) = (receiver for receiver in config["receivers"] if receiver["name"] == "dead-mans-switch")
    assert switch["webhook_configs"] == [{"url": SWITCH.url, "send_resolved": False}]


CHANNELS: dict[str, tuple[Channel, str, str]] = {
    "webhook": (Webhook(url_file="/s/hook"), "webhook_configs", "url_file"),
    "slack": (SLACK, "slack_configs", "api_url_file"),
    "mail": (MAIL, "email_configs", "auth_password_file"),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_secrets_are_named_by_file(name: str) -> None:
    channel, kind, key = CHANNELS[name]
    (receiver,) = (one for one in config_of(Receivers((channel,)))["receivers"] if one["name"] == "people")
    assert receiver[kind][0][key].startswith("/")


def test_no_rule_silences_the_sign_of_life() -> None:
    for rule in config_of(Receivers())["inhibit_rules"]:
        targets = " ".join(rule["target_matchers"])
        assert "Watchdog" in targets or 'severity="warning"' in targets or "EngineDown|" in targets


def test_every_source_has_the_label_that_is_compared() -> None:
    """Alertmanager takes an absent label for an empty one: an EngineDown without an instance would silence half of all."""
    for rule in config_of(Receivers())["inhibit_rules"]:
        if len(rule["equal"]) == 1:
            assert f'{rule["equal"][0]}!=""' in rule["source_matchers"]
