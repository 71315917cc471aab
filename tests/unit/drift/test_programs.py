"""What programs say of themselves, as their versions of 2026 answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.config.load import read_stack_file
from infra.drift.difference import Wins
from infra.drift.programs import PROGRAMS, Inside, Note, Told, UnaskedError
from infra.drift.programs.prometheus import apart
from infra.pipeline import build
from infra.services.base import Workload

ROOT = Path(__file__).parents[3]
# Of a stack with all services, answered as by programs that run what is declared.
BUILT, _ = build(read_stack_file(ROOT, "local")[0], "local", [])
assert BUILT is not None
WORKLOADS = {workload.service: workload for workload in BUILT.workloads}
Answer = Callable[[Sequence[str]], str]


def told(service: str, answer: Answer | str, workload: Workload | None = None) -> list[Told]:
    inside = Inside(workload or WORKLOADS[service], answer if callable(answer) else lambda _: str(answer))
    found = [one for look in PROGRAMS[service] for one in look(inside)]
    return [one for one in found if isinstance(one, Told)]


def notes(service: str, answer: str) -> list[str]:
    inside = Inside(WORKLOADS[service], lambda _: answer)
    return [one.text for look in PROGRAMS[service] for one in look(inside) if isinstance(one, Note)]


LITELLM: dict[str, Any] = {
    "models": [
        {"id": one, "name": one, "model": f"hosted_vllm/{one}", "address": address, "stored": False}
        for one, address in (
            ("minilm", "http://minilm:8000/v1"),
            ("tiny-chat", "http://nginx:8100/engines/tiny-chat/v1"),
            ("tiny-coder", "http://tiny-coder:8000/v1"),
        )
    ],
    "keys": None,
    "teams": None,
    "database": False,
}


def litellm(change: Callable[[dict[str, Any]], Any] = lambda _: None) -> str:
    answer = copy.deepcopy(LITELLM)
    change(answer)
    return json.dumps(answer)


def test_litellm_that_routes_as_declared_differs_in_nothing() -> None:
    assert told("litellm", litellm()) == []
    assert notes("litellm", litellm()) == ["runs without a database: it keeps no models, keys or teams of its own"]


def test_a_model_in_litellms_database_stays_and_one_in_memory_goes_with_the_program() -> None:
    stored = {"id": "x1", "name": "gpt", "model": "openai/gpt", "address": None, "stored": True}
    (one,) = told("litellm", litellm(lambda answer: answer["models"].append(stored)))
    assert (one.aspect, one.declared, one.wins) == ("model x1", "-", Wins.DATABASE)
    assert "hearth:models as gpt" in one.adopt
    (other,) = told("litellm", litellm(lambda answer: answer["models"][0].update(address="http://mine/v1")))
    assert (other.aspect, other.wins) == ("model minilm", Wins.PROGRAM)
    assert "http://mine/v1" in other.seen
    (gone,) = told("litellm", litellm(lambda answer: answer["models"].pop()))
    assert (gone.aspect, gone.seen) == ("model tiny-coder", "not served")
    with_keys = litellm(lambda answer: answer.update(database=True, keys=3, teams=1))
    assert notes("litellm", with_keys) == ["3 keys and 1 teams are data of its database, and aren't compared"]


WEB_UI: dict[str, Any] = {
    "ui.default_models": "tiny-chat",
    "ui.default_user_role": "user",
    "auth.enable_api_keys": True,
    "ui.enable_community_sharing": False,
    "ollama.enable": False,
    "openai.enable": True,
    "ui.enable_signup": True,
    "openai.api_base_urls": ["http://litellm:4000/v1"],
    "rag.embedding_engine": "openai",
    "rag.embedding_model": "minilm",
    "rag.openai.api_base_url": "http://litellm:4000/v1",
    "webui.url": "",
    "openai.api_keys": True,
}


def test_open_webui_with_the_declared_settings_differs_in_nothing() -> None:
    assert told("open_webui", json.dumps(WEB_UI)) == []
    # One of another version has fewer keys.
    assert told("open_webui", json.dumps({"openai.api_keys": True})) == []


@pytest.mark.parametrize(
    ("key", "value", "aspect"),
    [
        ("ui.enable_signup", False, "setting ENABLE_SIGNUP"),
        ("ui.default_models", None, "setting DEFAULT_MODELS"),
        (
            "openai.api_base_urls",
            ["http://litellm:4000/v1", "https://api.openai.com/v1"],
            "setting OPENAI_API_BASE_URL",
        ),
        ("openai.api_keys", False, "setting OPENAI_API_KEY"),
        ("rag.embedding_model", "other", "setting RAG_EMBEDDING_MODEL"),
    ],
)
def test_a_setting_that_an_admin_changed_is_told(key: str, value: Any, aspect: str) -> None:
    (one,) = told("open_webui", json.dumps({**WEB_UI, key: value}))
    assert (one.aspect, one.wins) == (aspect, Wins.PROGRAM)


def test_settings_that_are_kept_win_for_ever() -> None:
    workload = WORKLOADS["open_webui"]
    keeps = replace(workload, environment={**workload.environment, "ENABLE_PERSISTENT_CONFIG": "True"})
    (one,) = told("open_webui", json.dumps({**WEB_UI, "ui.enable_signup": False}), keeps)
    assert one.wins is Wins.DATABASE
    assert "ENABLE_PERSISTENT_CONFIG" in one.repair


DECLARED = {
    "global": {"scrape_interval": "60s", "external_labels": {"env": "x"}},
    "scrape_configs": [{"job_name": "a", "static_configs": [{"targets": ["a:1"], "labels": {"host": "h"}}]}],
    "matchers": ['b="1"', 'a="2"'],
    "password": "told nobody",
    "tls": True,
}
IN_EFFECT = {
    "global": {"scrape_interval": "1m", "scrape_timeout": "10s", "external_labels": {"env": "x"}},
    "scrape_configs": [
        {"job_name": "a", "scheme": "http", "static_configs": [{"targets": ["a:1"], "labels": {"host": "h"}}]}
    ],
    "matchers": ['a="2"', 'b="1"'],
    "password": "<secret>",
    "tls": True,
    "templates": [],
}


def test_a_configuration_with_its_defaults_filled_in_is_the_declared_one() -> None:
    assert list(apart(DECLARED, IN_EFFECT)) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda there: there["global"].update(scrape_interval="2m"), "global.scrape_interval"),
        (lambda there: there["global"]["external_labels"].update(mine="1"), "global.external_labels.mine"),
        (lambda there: there["scrape_configs"].append({"job_name": "b"}), "scrape_configs.b"),
        (
            lambda there: there["scrape_configs"][0]["static_configs"][0]["targets"].append("b:1"),
            "scrape_configs.a.static_configs.0.targets",
        ),
        (lambda there: there["matchers"].pop(), "matchers"),
        (lambda there: there.update(tls=False), "tls"),
    ],
)
def test_each_change_of_a_configuration_is_told_by_its_place(
    change: Callable[[dict[str, Any]], Any], place: str
) -> None:
    there = copy.deepcopy(IN_EFFECT)
    change(there)
    assert list(apart(DECLARED, there)) == [place]


STATUS = {"state": "running", "last_end": None}


def test_an_engine_that_is_out_of_starts_is_told_with_its_cause() -> None:
    assert told("vllm", json.dumps(STATUS)) == []
    assert told("vllm", json.dumps({**STATUS, "state": "starting"})) == []
    end = {"says": "no memory left on card 0", "fix": "lower context"}
    (one,) = told("vllm", json.dumps({"state": "failed", "last_end": end}))
    assert one.seen == "failed: no memory left on card 0. Fix: lower context"
    assert "docker kill --signal HUP" in one.repair


def grafana(change: Callable[[dict[str, Any]], Any] = lambda _: None) -> Answer:
    """Answer as Grafana does that has provisioned what is declared, or something else after a change."""
    files = {file.path: file.content for file in WORKLOADS["grafana"].files}
    boards = {json.loads(text)["uid"]: json.loads(text) for path, text in files.items() if path.endswith(".json")}
    answers: dict[str, Any] = {
        "/api/search?type=dash-db&limit=5000": [{"uid": uid, "title": board["title"]} for uid, board in boards.items()],
        "/api/datasources": [
            {"uid": "prometheus", "name": "Prometheus", "type": "prometheus", "url": "http://prometheus:9090"},
            {"uid": "alertmanager", "name": "Alertmanager", "type": "alertmanager", "url": "http://alertmanager:9093"},
        ],
        "/api/v1/provisioning/alert-rules": [],
        **{
            f"/api/dashboards/uid/{uid}": {"meta": {"provisioned": True}, "dashboard": {**board, "id": 7, "version": 3}}
            for uid, board in boards.items()
        },
    }
    change(answers)

    def run(argv: Sequence[str]) -> str:
        return "\n".join(json.dumps(answers.get(path)) for path in argv[4:])

    return run


def test_grafana_as_provisioned_differs_in_nothing() -> None:
    assert told("grafana", grafana()) == []


@pytest.mark.parametrize(
    ("change", "aspect", "wins"),
    [
        (
            lambda found: found["/api/search?type=dash-db&limit=5000"].append({"uid": "m1", "title": "Mine"}),
            "dashboard m1",
            Wins.DATABASE,
        ),
        (
            lambda found: found["/api/dashboards/uid/hearth-gateway"]["meta"].update(provisioned=False),
            "dashboard hearth-gateway",
            Wins.DATABASE,
        ),
        (
            lambda found: found["/api/dashboards/uid/hearth-gateway"]["dashboard"]["panels"].pop(),
            "dashboard hearth-gateway",
            Wins.DATABASE,
        ),
        (lambda found: found.pop("/api/dashboards/uid/hearth-gateway"), "dashboard hearth-gateway", Wins.PROGRAM),
        (
            lambda found: found["/api/datasources"].append({"uid": "loki", "name": "Loki", "type": "loki"}),
            "data source loki",
            Wins.DATABASE,
        ),
        (
            lambda found: found["/api/datasources"][0].update(url="http://mine:9090"),
            "data source prometheus",
            Wins.PROGRAM,
        ),
        (
            lambda found: found["/api/v1/provisioning/alert-rules"].append({"uid": "r1", "title": "Mine"}),
            "alert rule r1",
            Wins.DATABASE,
        ),
    ],
)
def test_each_thing_clicked_together_in_grafana_is_told(
    change: Callable[[dict[str, Any]], Any], aspect: str, wins: Wins
) -> None:
    (one,) = told("grafana", grafana(change))
    assert (one.aspect, one.wins) == (aspect, wins)


@pytest.mark.parametrize("service", [service for service in PROGRAMS if service != "grafana"])
def test_a_program_that_answers_with_something_else_is_unasked(service: str) -> None:
    with pytest.raises(UnaskedError, match="not with JSON"):
        told(service, "<html>")
