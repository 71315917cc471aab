"""Every golden file is read by the program that will read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from images import recipes
from tests.golden_files import CASES, GOLDEN
from tests.tools import in_image

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]


@pytest.mark.parametrize("case", CASES)
def test_prometheus_reads_its_configuration_and_rules(case: str) -> None:
    folder = GOLDEN / case / "prometheus" / "etc" / "prometheus"
    image = recipes.reference("monitoring")
    ran = in_image(image, {folder: "/etc/prometheus"}, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "rules found" in ran.stdout


@pytest.mark.parametrize("case", CASES)
def test_alertmanager_reads_its_configuration(case: str) -> None:
    folder = GOLDEN / case / "alertmanager" / "etc" / "alertmanager"
    ran = in_image(recipes.reference("monitoring"), {folder: "/a"}, "amtool", "check-config", "/a/alertmanager.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


FLEET = ("front", "gpu-a", "gpu-b", "gpu-c")
PROXIES = sorted(str(file.relative_to(GOLDEN)) for file in GOLDEN.glob("*/*/etc/nginx/nginx.conf"))


@pytest.mark.parametrize("path", PROXIES)
def test_nginx_reads_its_configuration(path: str) -> None:
    file = GOLDEN / path
    ran = in_image(recipes.reference("nginx"), {file: "/etc/nginx/nginx.conf"}, "nginx", "-t")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_front_door_and_every_relay_is_among_them() -> None:
    assert {path.split("/")[0] for path in PROXIES if "/nginx/" in path} == set(CASES)
    assert [path.split("/")[1] for path in PROXIES if "/relay-" in path] == [f"relay-{host}" for host in FLEET]


def test_nginx_refuses_a_broken_one(tmp_path: Path) -> None:
    """The check above can fail."""
    broken = tmp_path / "nginx.conf"
    broken.write_text(
        (GOLDEN / "local" / "nginx" / "etc" / "nginx" / "nginx.conf").read_text().replace("listen", "lisen", 1)
    )
    assert in_image(recipes.reference("nginx"), {broken: "/etc/nginx/nginx.conf"}, "nginx", "-t").returncode != 0


LOADER = """
import asyncio, json, sys
from litellm.proxy.proxy_server import ProxyConfig
import litellm
config = asyncio.run(ProxyConfig().get_config(config_file_path="/etc/litellm/config.yaml"))
router = litellm.Router(model_list=config["model_list"], **config["router_settings"])
print(json.dumps(sorted(router.get_model_names())))
"""


@pytest.mark.parametrize("case", CASES)
def test_litellm_loads_its_configuration(case: str) -> None:
    folder = GOLDEN / case / "litellm" / "etc" / "litellm"
    ran = in_image(
        recipes.reference("litellm"),
        {folder: "/etc/litellm"},
        "env",
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
        "python3",
        "-c",
        LOADER,
    )
    assert ran.returncode == 0, ran.stderr
    plan = (GOLDEN / case / "plan").read_text()
    assert all(name in plan for name in json.loads(ran.stdout.splitlines()[-1]))
