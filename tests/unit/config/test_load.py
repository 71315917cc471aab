from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.config.load import Written, load, read_engine, read_stack_file
from infra.errors import Finding
from infra.services import settings_of

ROOT = Path(__file__).parents[3]


def findings(values: dict[str, Any], secrets: dict[str, str | None] | None = None) -> list[str]:
    loaded = load(Written(values, secrets or {}))
    return [str(finding) for finding in [*loaded.findings, *settings_of(loaded.services)[1]]]


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_the_stack_files_of_the_checkout_have_nothing_wrong(stack: str) -> None:
    written, found = read_stack_file(ROOT, stack)
    loaded = load(written)
    assert [*found, *loaded.findings, *settings_of(loaded.services)[1]] == []


@pytest.mark.parametrize("name", ["alertWebhookUrl", "slackWebhookUrl", "deadMansSwitchUrl"])
def test_an_address_that_is_a_secret_is_checked_and_not_repeated(name: str) -> None:
    (found,) = findings({}, {name: "hooks.example/T0/hidden"})
    assert found.startswith(f"hearth:{name}: is no web address")
    assert "hidden" not in found
    # A file that a secret is read from ends with a new line.
    assert findings({}, {name: "https://hooks.example/T0/hidden\n"}) == []


def test_every_mistake_is_reported_at_once_with_path_problem_and_fix() -> None:
    found = findings(
        {
            "tarrget": "docker",
            "models": {"a": {"source": "synthetic", "contxt": 3, "replicas": 0, "after": ["b"]}},
            "inventory": {"hosts": {"x": {"connection": "tcp://x"}}},
            "images": {"vllm": "vllm/vllm-openai:latest"},
            "gateway": {"retires": 3},
            "monitoring": {"promethus": {}},
        },
        {"gatewayMasterKey": "sk-1234"},
    )
    assert [line.partition(":")[2].partition(":")[0] for line in found] == [
        "gatewayMasterKey",
        "images.vllm",
        "inventory.hosts.x.connection",
        "models.a.replicas",
        "models.a.contxt",
        "models.a.after",
        "gateway.retires",
        "monitoring.promethus",
        "tarrget",
    ]
    assert "hearth:models.a.contxt: is unknown. Did you mean context." in found
    assert "hearth:gateway.retires: is unknown. Did you mean retries." in found
    assert "hearth:tarrget: is unknown. Did you mean target." in found


@pytest.mark.parametrize("value", ["", "  ", "sk-1234", "password-without-prefix", "sk-short"])
def test_a_weak_master_key_is_refused_and_not_repeated(value: str) -> None:
    found = findings({}, {"gatewayMasterKey": value})
    assert len(found) == 1
    assert found[0].startswith("hearth:gatewayMasterKey: ")
    assert not value.strip() or value not in found[0]


def test_a_good_master_key_passes() -> None:
    assert findings({}, {"gatewayMasterKey": "sk-" + "x" * 32}) == []


def test_a_secret_in_plain_text_is_refused() -> None:
    assert any("is in plain text" in line for line in findings({"hfToken": "hf_x"}))


def test_a_stack_extends_another_and_null_removes(tmp_path: Path) -> None:
    base = {"config": {"hearth:models": {"a": {"source": "synthetic", "context": 32}, "b": {"source": "synthetic"}}}}
    mine = {"config": {"hearth:extends": "base", "hearth:models": {"a": {"context": 64}, "b": None}}}
    (tmp_path / "Pulumi.base.yaml").write_text(yaml.safe_dump(base))
    (tmp_path / "Pulumi.mine.yaml").write_text(yaml.safe_dump(mine))
    written, found = read_stack_file(tmp_path, "mine")
    assert found == []
    assert written.values["models"] == {"a": {"source": "synthetic", "context": 64}}


def test_a_circle_of_extends_ends(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.a.yaml").write_text(yaml.safe_dump({"config": {"hearth:extends": "a"}}))
    assert "break the circle" in str(read_stack_file(tmp_path, "a")[1][0]).lower()


def test_a_missing_or_broken_stack_file_is_a_finding(tmp_path: Path) -> None:
    assert read_stack_file(tmp_path, "none")[1][0].path == "Pulumi.none.yaml"
    (tmp_path / "Pulumi.bad.yaml").write_text("config: [")
    assert isinstance(read_stack_file(tmp_path, "bad")[1][0], Finding)


def test_the_engine_gives_the_same_as_the_file() -> None:
    """The program and the command line must decide the same stack."""
    from_file = read_stack_file(ROOT, "prod")[0].values
    environment = {
        "PULUMI_CONFIG": json.dumps(
            {
                f"hearth:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in from_file.items()
            }
            | {"pulumi:disable-default-providers": '["*"]', "hearth:hfToken": "hf_secret"}
        ),
        "PULUMI_CONFIG_SECRET_KEYS": '["hearth:hfToken"]',
    }
    from_engine, found = read_engine(ROOT, environment)
    assert found == []
    assert load(from_engine).config == load(read_stack_file(ROOT, "prod")[0]).config
    assert from_engine.secrets == {"hfToken": "hf_secret"}
