"""What is asked of another host: who may ask whom, and by which way."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.config.load import Written, read_stack_file
from infra.errors import Finding, Severity
from infra.pipeline import Built, build
from infra.services.base import Workload
from tests.golden_files import CASES

ADDRESSES = {"front": "10.0.0.1", "gpu-a": "10.0.0.11", "gpu-b": "10.0.0.12", "gpu-c": "10.0.0.13"}
ENGINE: dict[str, Any] = {"source": "synthetic", "device": "cpu", "place": "gpu"}


def stack(*, addresses: dict[str, str | None] | None = None, **values: Any) -> tuple[Built, list[Finding]]:
    known = ADDRESSES if addresses is None else addresses
    hosts = {name: {"connection": f"ssh://{name}", "address": address} for name, address in known.items()}
    groups = {"gpu": {"hosts": [name for name in known if name != "front"]}}
    written = {"inventory": {"hosts": hosts, "groups": groups}, "models": {"coder": ENGINE}, **values}
    built, findings = build(Written(written, {}), "mine", [])
    assert built is not None
    return built, [finding for finding in findings if finding.severity is Severity.ERROR]


# What the prober asks for; its own files don't say so.
PAGES = {("nginx", 8080), ("open-webui", 8080)}


def hosts_of(built: Built, instance: str) -> set[str]:
    return {one.host for one in built.workloads if one.instance == instance}


def relays(built: Built) -> dict[str, Workload]:
    return {one.host: one for one in built.workloads if one.service == "relay"}


def text_of(relay: Workload) -> str:
    return relay.files[0].content


def allowed(relay: Workload) -> set[str]:
    """Return who may ask for what: `source name:port`."""
    return set(re.findall(r'^ {8}"(\S+ \S+:\d+)" ', text_of(relay), flags=re.MULTILINE))


def test_a_stack_on_one_host_has_none() -> None:
    built, wrong = stack(models={"coder": {**ENGINE, "place": "front"}})
    assert (wrong, relays(built)) == ([], {})
    assert built.declaration.context.crossings == ()


def test_an_engine_elsewhere_publishes_nothing_and_is_asked_through_its_hosts_relay() -> None:
    built, wrong = stack()
    assert wrong == []
    assert {one.instance for one in built.workloads if one.published} == {"nginx", "relay-gpu-a"}
    front, gpu = relays(built)["front"], relays(built)["gpu-a"]
    assert [(port.address, port.host_port) for port in gpu.published] == [("10.0.0.11", 9470)]
    assert "coder" in front.answers_for
    assert "server 10.0.0.11:9470 weight=1 max_fails=0;" in text_of(front)
    assert "10.0.0.1 front;" in text_of(gpu)
    # Its API, its entry point's metrics, and the exporters of its host.
    assert allowed(gpu) == {
        "front coder:8000",
        "front coder:8001",
        "front node-exporter-gpu-a:9100",
        "front cadvisor-gpu-a:8080",
    }
    assert allowed(front) == set()


@pytest.mark.parametrize("case", [*CASES, "spread", "apart"])
def test_every_name_that_is_written_down_can_be_reached_from_where_it_is_written(case: str) -> None:
    """Whoever renders an address tells it: else it would be found only where the engine is asked for the first time."""
    if case in CASES:
        written, found = read_stack_file(CASES[case], case)
        built, _ = build(written, case, found)
    elif case == "spread":
        places: dict[str, Any] = {"monitoring": {"prometheus": {"place": "gpu-a"}, "grafana": {"place": "gpu-b"}}}
        built, _ = stack(gateway={"place": "gpu-b"}, ui={"place": "gpu-c"}, **places)
    else:
        watching = {"alertmanager": {"place": "gpu-a"}, "blackbox_exporter": {"place": "gpu-b"}}
        models = {"coder": ENGINE, "chat": {**ENGINE, "replicas": 3, "spread": "host"}}
        built, _ = stack(edge={"place": "gpu-c"}, monitoring=watching, models=models)
    assert built is not None
    context = built.declaration.context
    known = {(crossing.source, crossing.reach.name, crossing.reach.port) for crossing in context.crossings}
    # The last letter of a longer name isn't a name.
    names = [
        (endpoint, re.compile(rf"(?<![\w.-]){re.escape(endpoint.address)}(?!\d)")) for endpoint in context.endpoints
    ]
    pages = [endpoint.probe_url for endpoint in context.endpoints if endpoint.probe_url]
    seen = {(prober.host, *own) for prober in context.of("blackbox_exporter") for own in PAGES}
    seen = {asked for asked in seen if asked[0] not in hosts_of(built, asked[1])}
    for workload in built.workloads:
        if workload.service == "relay":
            continue
        text = "\n".join((*workload.command, *workload.environment.values(), *(f.content for f in workload.files)))
        # Prometheus has the prober ask for pages: it is told their addresses, and asks none of them.
        for page in pages:
            text = text.replace(page, "")
        for endpoint, pattern in names:
            if endpoint.host != workload.host and pattern.search(text):
                seen.add((workload.host, endpoint.instance, endpoint.port))
    assert seen <= known
    assert bool(seen) == (len(context.hosts) > 1)


def test_replicas_on_several_hosts_share_a_name_that_the_relay_deals_out() -> None:
    built, wrong = stack(models={"chat": {**ENGINE, "replicas": 4, "spread": "host"}})
    assert wrong == []
    engines = {one.instance: one for one in built.workloads if one.service == "vllm"}
    assert sorted(one.host for one in engines.values()) == ["gpu-a", "gpu-a", "gpu-b", "gpu-c"]
    assert {one.aliases for one in engines.values()} == {("chat.here",)}
    front = text_of(relays(built)["front"])
    assert re.findall(r"upstream chat_8000 {\n((?: +server .*\n)+)", front) == [
        "".join(
            f"        server 10.0.0.{last}:9470 weight={weight} max_fails=0;\n"
            for last, weight in ((11, 2), (12, 1), (13, 1))
        )
    ]
    assert '"front chat:8000" chat.here:8000;' in text_of(relays(built)["gpu-b"])


def test_replicas_beside_the_balancer_have_their_share_too() -> None:
    built, _ = stack(models={"chat": {**ENGINE, "replicas": 4, "spread": "host"}}, edge={"place": "gpu-a"})
    relay = text_of(relays(built)["gpu-a"])
    assert "server 127.0.0.1:9470 weight=2 max_fails=0;" in relay
    assert '"gpu-a chat:8000" chat.here:8000;' in relay
    assert "127.0.0.1 gpu-a;" in relay


def test_what_hands_on_its_clients_host_header_has_the_port_for_itself() -> None:
    built, _ = stack(gateway={"place": "gpu-a"}, ui={"place": "gpu-a"})
    front = text_of(relays(built)["front"])
    assert "listen 4000 default_server;\n        server_name litellm;" in front
    # The page exporter of the other host listens on the same port, and is told by its name.
    assert "listen 8080 default_server;\n        server_name open-webui;" in front
    assert "listen 8080;\n        server_name cadvisor-gpu-a;" in front
    assert front.count("listen 8080 default_server") == 1
    assert "listen 9100 default_server;\n        return 421;" in front


def test_a_host_without_an_address_that_others_can_use_is_told_and_nothing_is_rendered() -> None:
    built, wrong = stack(addresses={"front": None, "gpu-a": "gpu-a.internal"})
    why = "and cadvisor-gpu-a is asked over"
    assert relays(built) == {}
    assert [(finding.path, finding.problem) for finding in wrong] == [
        ("hearth:inventory.hosts.front.address", f"is missing, {why} front and gpu-a"),
        ("hearth:inventory.hosts.gpu-a.address", f"'gpu-a.internal' is no IP address, {why} gpu-a and front"),
    ]
    _, wrong = stack(addresses={"front": "10.0.0.1", "gpu-a": "10.0.0.1"})
    assert [finding.problem for finding in wrong] == ["10.0.0.1 is that of another host too"] * 2


def test_a_relays_place_is_not_people_s_to_choose() -> None:
    _, wrong = stack(relay={"place": "front", "expose": 9999})
    assert [finding.path for finding in wrong] == ["hearth:relay.place", "hearth:relay.expose"]


@pytest.mark.parametrize(
    ("serial", "turns"),
    [
        (1, [set(), {"chat-0"}, {"chat-1"}]),
        (2, [set(), set(), {"chat-0", "chat-1"}]),
        ("66%", [set(), {"chat-0"}, {"chat-1"}]),
        ("67%", [set(), set(), {"chat-0", "chat-1"}]),
        ("100%", [set(), set(), set()]),
    ],
)
def test_hosts_take_turns_when_replicas_are_changed(serial: int | str, turns: list[set[str]]) -> None:
    built, wrong = stack(models={"chat": {**ENGINE, "replicas": 3, "spread": "host"}}, engines={"serial": serial})
    assert wrong == []
    engines = [one for one in built.workloads if one.service == "vllm"]
    assert [set(one.after) for one in engines] == turns


@pytest.mark.parametrize("serial", [0, -1, True, "0%", "101%", "half", 1.5])
def test_a_share_of_the_hosts_that_is_none_is_told(serial: Any) -> None:
    _, wrong = stack(engines={"serial": serial})
    assert [finding.path for finding in wrong] == ["hearth:engines.serial"]
