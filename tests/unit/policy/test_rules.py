"""Each rule is broken by what it is for, and by nothing that Hearth itself declares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.config.load import read_stack_file
from infra.config.policy import PolicySettings
from infra.config.secrets import SecretRef
from infra.pipeline import PROJECT, build
from infra.policy import main_policy
from infra.policy.check import is_production, level_of, settings_findings, violations
from infra.policy.rules import RULES
from infra.targets.docker.declared import CONTAINER, IMAGE, VOLUME, Declared, sites
from infra.targets.docker.mapping import Names
from tests.golden_files import CASES, ROOT

ENGINE = {
    "labels": [{"label": "hearth.service", "value": "vllm"}],
    "entrypoints": ["/bin/sh", "-c", "…"],
    "command": ["python3", "/opt/hearth/engine"],
    "uploads": [{"file": "/run/secrets/hearth/VLLM_API_KEY", "content": SecretRef("engineKey")}],
    "restart": "unless-stopped",
    "healthcheck": {"tests": ["CMD"]},
    "log_opts": {"max-size": "20m"},
    "memory": 1024,
}
PORT = {"internal": 8000, "external": 8000, "ip": "10.0.0.1"}


def container(**changes: Any) -> Declared:
    return Declared("coder", CONTAINER, {**ENGINE, **changes})


def other(**changes: Any) -> Declared:
    """A container of some other service."""
    return container(labels=[{"label": "hearth.service", "value": "x"}], **changes)


def image(name: str) -> Declared:
    return Declared("image", IMAGE, {"name": name})


# For every rule what breaks it; a rule without a case fails the test below.
BROKEN: dict[str, list[Declared]] = {
    "pinned-images": [image("a/b:1")],
    "no-latest": [image("a/b"), image("host:5000/a/b"), image("a/b:latest"), image("a:nightly")],
    "private-engines": [container(ports=[PORT])],
    "front-door-only": [other(ports=[{**PORT, "ip": "0.0.0.0"}]), other(ports=[{**PORT, "ip": ""}])],
    "engine-keys": [container(uploads=[])],
    "hidden-secrets": [other(envs=["HF_TOKEN=abc"]), other(envs=["PASSWORD=abc"])],
    "no-known-keys": [
        other(envs=["API_KEY=sk-1234"]),
        other(envs=["API_KEY="]),
        other(uploads=[{"file": "/run/secrets/hearth/KEY", "content": "changeme\n"}]),
    ],
    "bounded-restarts": [other(restart="on-failure"), container(command=["vllm", "serve"])],
    "unprivileged": [other(privileged=True), container(capabilities={"adds": ["CAP_SYS_ADMIN"]})],
    "own-namespaces": [other(network_mode="host"), other(pid_mode="host"), other(ipc_mode="host")],
    "no-docker-socket": [other(volumes=[{"host_path": "/run/docker.sock", "container_path": "/x", "read_only": True}])],
    "host-read-only": [other(volumes=[{"host_path": "/etc", "container_path": "/x"}])],
    "kept-volumes": [Declared("v", VOLUME, {"name": "v"})],
    "memory-limits": [other(memory=0)],
    "rotated-logs": [other(log_opts={})],
    "health-checks": [other(healthcheck=None)],
}
FINE = [
    container(),
    container(capabilities={"adds": ["CAP_SYS_NICE"]}, ports=[]),
    other(restart="on-failure", max_retry_count=3, envs=["ENABLE_API_KEYS=true", "TOKENS=5"]),
    other(ports=[PORT], volumes=[{"host_path": "/run/hearth/locks", "container_path": "/x"}]),
    other(must_run=False, healthcheck=None),
    Declared("v", VOLUME, {"name": "v"}, is_kept=True),
    image("host:5000/a/b:1@sha256:00"),
    image("a/b@sha256:00"),
]


def test_every_rule_has_a_case() -> None:
    assert [rule.name for rule in RULES] == list(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_is_broken_by_what_it_is_for(name: str) -> None:
    for resource in BROKEN[name]:
        told = {one.rule for one in violations("box", [resource], PolicySettings(), "prod")}
        assert name in told
        exempt = PolicySettings(exempt={name: {resource.name: "measured and agreed"}})
        assert name not in {one.rule for one in violations("box", [resource], exempt, "prod")}
        disabled = PolicySettings(levels={name: "disabled"})
        assert name not in {one.rule for one in violations("box", [resource], disabled, "prod")}


def test_what_is_fine_breaks_none() -> None:
    assert list(violations("box", FINE, PolicySettings(), "prod")) == []


@pytest.mark.parametrize("case", CASES)
def test_what_hearth_declares_breaks_no_mandatory_rule(case: str) -> None:
    written, found = read_stack_file(CASES[case], case)
    built, _ = build(written, case, found)
    assert built is not None
    parts = sites(built.config, built.workloads, Names(PROJECT, case), ROOT)
    told = [
        one for site in parts.values() for one in violations(site.host, site.resources(), built.config.policy, case)
    ]
    assert [str(one) for one in told if one.level == "mandatory"] == []
    assert {one.rule for one in told} <= {"pinned-images", "no-docker-socket", "memory-limits"}


def test_rules_for_production_hold_there_or_where_somebody_wants_them() -> None:
    (rule,) = (rule for rule in RULES if rule.name == "pinned-images")
    assert is_production(PolicySettings(), "prod-eu")
    assert not is_production(PolicySettings(), "local")
    assert level_of(rule, PolicySettings(), "local") == "disabled"
    assert level_of(rule, PolicySettings(production=True), "local") == "mandatory"
    assert level_of(rule, PolicySettings(levels={"pinned-images": "advisory"}), "local") == "advisory"


def test_a_slip_in_a_name_is_told() -> None:
    settings = PolicySettings(levels={"pinned-image": "disabled"}, exempt={"unprivileged": {"codr": "eight letters"}})
    assert [finding.path for finding in settings_findings(settings, ["coder"])] == [
        "hearth:policy.levels.pinned-image",
        "hearth:policy.exempt.unprivileged.codr",
    ]


def test_the_command_ends_with_1_for_a_mandatory_rule_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {
        "hearth:models": {},
        "hearth:engines": {},
        "hearth:ui": {"environment": {"MY_TOKEN": "abc"}},
    }
    (tmp_path / "Pulumi.mine.yaml").write_text(json.dumps({"config": values}))
    assert main_policy(["--stack", "mine", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["resource"], one["rule"]) for one in told if one["level"] == "mandatory"] == [
        ("open-webui", "hidden-secrets")
    ]
    assert "abc" not in json.dumps(told)
    values["hearth:policy"] = {"exempt": {"hidden-secrets": {"open-webui": "a public token"}}}
    (tmp_path / "Pulumi.mine.yaml").write_text(json.dumps({"config": values}))
    assert main_policy(["--stack", "mine"]) == 0
    assert main_policy(["--stack", "mine", "--rules"]) == 0
    assert "disabled   pinned-images" in capsys.readouterr().out
