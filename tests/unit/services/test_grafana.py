from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.services.base import Workload
from tests.unit.services.monitored import decided, file_of, made, said

OIDC = {
    "client_id": "hearth",
    "auth_url": "https://id.example/auth",
    "token_url": "https://id.example/token",
    "role_attribute_path": "contains(groups[*], 'ops') && 'Admin' || 'Viewer'",
}
LOGIN = {"public_url": "https://grafana.example", "oidc": OIDC}


def sources(workload: Workload) -> dict[str, dict[str, Any]]:
    text = file_of(workload, "/etc/grafana/provisioning/datasources/hearth.yml")
    return {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}


def test_its_password_is_a_file_that_it_reads_itself() -> None:
    workload = made("grafana", {})
    path = workload.environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert workload.secret_files[path].name == "grafanaAdminPassword"
    assert workload.secret_environment == {}
    # Its start script refuses to start when both are there.
    assert "GF_SECURITY_ADMIN_PASSWORD" not in workload.environment


def test_both_sources_are_there_with_fixed_names_and_the_right_interval() -> None:
    found = sources(made("grafana", {}, monitoring={"prometheus": {"scrape_interval": "5s"}, "grafana": {}}))
    assert set(found) == {"prometheus", "alertmanager"}
    assert found["prometheus"]["jsonData"]["timeInterval"] == "5s"
    assert found["prometheus"]["isDefault"] is True
    assert found["alertmanager"]["url"] == "http://alertmanager:9093"
    assert found["alertmanager"]["jsonData"] == {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}
    assert found["alertmanager"]["isDefault"] is False


@pytest.mark.parametrize(("off", "left"), [("alertmanager", {"prometheus"}), ("prometheus", {"alertmanager"})])
def test_what_does_not_run_is_no_source(off: str, left: set[str]) -> None:
    assert set(sources(made("grafana", {}, monitoring={off: {"enabled": False}, "grafana": {}}))) == left


def test_the_folder_has_a_fixed_name_and_the_overview_is_home() -> None:
    workload = made("grafana", {})
    text = file_of(workload, "/etc/grafana/provisioning/dashboards/hearth.yml")
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["folderUid"] == "hearth"
    home = workload.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in {file.path for file in workload.files}
    assert Path(home).name == "overview.json"


def test_nothing_in_provisioned_text_is_a_variable() -> None:
    from infra.services.grafana import _unexpanded  # noqa: PLC0415 - one test's own

    assert _unexpanded({"a": ["$HOME", {"b": "${X}", "c": 1}]}) == {"a": ["$$HOME", {"b": "$${X}", "c": 1}]}


def test_a_login_elsewhere_is_set_up_whole() -> None:
    workload = made("grafana", {**LOGIN, "login_form": False, "admin_user": "kim"})
    given = workload.environment
    assert given["GF_SERVER_ROOT_URL"] == "https://grafana.example"
    assert given["GF_SECURITY_ADMIN_USER"] == "kim"
    assert given["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    own = {key.removeprefix("GF_AUTH_GENERIC_OAUTH_"): value for key, value in given.items() if "GENERIC_OAUTH" in key}
    secret = own.pop("CLIENT_SECRET__FILE")
    assert workload.secret_files[secret].name == "grafanaOidcSecret"
    assert own == {
        "ENABLED": "true",
        "NAME": "single sign-on",
        "CLIENT_ID": "hearth",
        "SCOPES": "openid profile email",
        "AUTH_URL": OIDC["auth_url"],
        "TOKEN_URL": OIDC["token_url"],
        "ROLE_ATTRIBUTE_PATH": OIDC["role_attribute_path"],
        "ALLOW_SIGN_UP": "true",
        "AUTO_LOGIN": "false",
        "USE_PKCE": "true",
    }


def test_nobody_is_let_in_without_a_name() -> None:
    for settings in ({}, LOGIN):
        given = made("grafana", settings).environment
        assert given["GF_AUTH_ANONYMOUS_ENABLED"] == given["GF_USERS_ALLOW_SIGN_UP"] == "false"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"oidc": OIDC}, "public_url: is missing, and oidc leads people back to it"),
        ({**LOGIN, "public_url": "http://grafana.example"}, "public_url: http://grafana.example is read by everybody"),
        ({**LOGIN, "oidc": {**OIDC, "token_url": "http://id.example"}}, "oidc.token_url: http://id.example is read by"),
        ({**LOGIN, "oidc": {**OIDC, "auth_url": "id.example"}}, "oidc.auth_url: 'id.example' is no web address"),
        ({**LOGIN, "oidc": {**OIDC, "client_id": ""}}, "oidc.client_id: string should have at least 1 character"),
        ({**LOGIN, "oidc": {**OIDC, "scopes": ["email"]}}, "oidc.scopes: lacks openid (it is email)"),
        ({**LOGIN, "oidc": {**OIDC, "client_secret": "x"}}, "oidc.client_secret: is unknown"),
        ({"login_form": False}, "login_form: is off without oidc, so nobody can log in"),
        ({"admin_user": ""}, "admin_user: string should have at least 1 character"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(settings: dict[str, Any], wanted: str) -> None:
    found = said("grafana", settings)
    assert len(found) == 1, found
    assert found[0].startswith(f"hearth:monitoring.grafana.{wanted}")


def test_addresses_of_this_machine_need_no_tls() -> None:
    local = {"public_url": "http://localhost:3000", "oidc": {**OIDC, "token_url": "http://127.0.0.1:5556/token"}}
    assert said("grafana", local) == []


def test_incomplete_settings_are_said_all_at_once() -> None:
    _, found = decided("grafana", {"oidc": {}})
    assert {finding.path for finding in found} >= {
        f"hearth:monitoring.grafana.oidc.{key}" for key in ("client_id", "auth_url", "token_url")
    }
