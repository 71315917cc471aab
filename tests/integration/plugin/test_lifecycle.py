"""From nothing to a running container and back."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.integration.plugin.stack import IMAGE, Resource, Stack, container, docker, image, inspect, network, volume

pytestmark = pytest.mark.integration

CONFIG = "listen: 8080\n"


def everything(stack: Stack) -> list[Resource]:
    """All that Hearth ever asks of a container on a machine without a GPU."""
    return [
        network("net", stack.name("net"), labels=[{"label": "hearth.stack", "value": "t"}]),
        volume("vol", stack.name("vol"), labels=[{"label": "hearth.stack", "value": "t"}]),
        image("img", IMAGE),
        container(
            "c",
            stack.name("c"),
            image={"$output": "img.image_id"},
            entrypoints=["/bin/sh", "-c"],
            command=["httpd -f -p 8080 -h /etc"],
            envs=["A=1", "B=2"],
            labels=[{"label": "hearth.stack", "value": "t"}],
            user="0:0",
            working_dir="/",
            hostname="web",
            networks_advanced=[{"name": {"$output": "net.name"}, "aliases": ["web"]}],
            ports=[{"internal": 8080, "ip": "127.0.0.1", "protocol": "tcp"}],
            hosts=[{"host": "docker.internal", "ip": "host-gateway"}],
            volumes=[{"container_path": "/data", "volume_name": {"$output": "vol.name"}}],
            mounts=[{"target": "/host", "type": "bind", "source": "/tmp", "read_only": True}],
            tmpfs={"/run": "size=1m"},
            uploads=[
                {"file": "/etc/app/one.conf", "content": CONFIG, "permissions": "0640"},
                {"file": "/run.sh", "content": "#!/bin/sh\n", "executable": True},
            ],
            healthcheck={
                "tests": ["CMD", "true"],
                "interval": "1s",
                "timeout": "1s",
                "start_period": "0s",
                "retries": 3,
            },
            restart="unless-stopped",
            memory=64,
            memory_swap=64,
            memory_reservation=32,
            shm_size=32,
            cpus="0.5",
            cpu_set="0",
            cpu_shares=512,
            ulimits=[{"name": "nofile", "soft": 1024, "hard": 2048}],
            group_adds=["100"],
            ipc_mode="private",
            init=True,
            capabilities={"drops": ["ALL"], "adds": ["CAP_CHOWN"]},
            security_opts=["no-new-privileges:true"],
            sysctls={"net.core.somaxconn": "64"},
            devices=[{"host_path": "/dev/null"}],
            log_driver="json-file",
            log_opts={"max-size": "1m", "max-file": "2"},
            stop_signal="SIGTERM",
            stop_timeout=3,
            destroy_grace_seconds=1,
            wait=True,
            wait_timeout=30,
        ),
    ]


@pytest.fixture(scope="module")
def up(shared_stack: Stack) -> Stack:
    shared_stack.declare(*everything(shared_stack), ports={"$output": "c.ports"}, data={"$output": "c.network_datas"})
    shared_stack.up().check()
    return shared_stack


@pytest.fixture(scope="module")
def seen(up: Stack) -> dict[str, Any]:
    return inspect(up.name("c"))


def test_up_returns_when_the_container_is_healthy(seen: dict[str, Any]) -> None:
    assert seen["State"]["Health"]["Status"] == "healthy"


def test_a_second_preview_is_empty(up: Stack) -> None:
    planned = up.preview()
    assert planned.code == 0, planned.text


def test_a_check_for_drift_right_after_is_clean(up: Stack) -> None:
    planned = up.drift()
    assert planned.code == 0, planned.text


def test_up_with_refresh_right_after_changes_nothing(up: Stack) -> None:
    assert "unchanged" in up.up("--refresh", "--expect-no-changes").check().said


def test_an_uploaded_file_has_its_content(up: Stack) -> None:
    assert docker("exec", up.name("c"), "cat", "/etc/app/one.conf") + "\n" == CONFIG


@pytest.mark.parametrize(("path", "mode"), [("/etc/app/one.conf", "640"), ("/run.sh", "744")])
def test_an_uploaded_file_has_its_permissions(up: Stack, path: str, mode: str) -> None:
    assert docker("exec", up.name("c"), "stat", "-c", "%a", path) == mode


def test_a_container_is_only_in_the_networks_it_names(up: Stack, seen: dict[str, Any]) -> None:
    assert list(seen["NetworkSettings"]["Networks"]) == [up.name("net")]


def test_a_container_answers_by_its_alias(up: Stack, seen: dict[str, Any]) -> None:
    assert "web" in seen["NetworkSettings"]["Networks"][up.name("net")]["Aliases"]


def test_the_chosen_port_is_an_output(up: Stack, seen: dict[str, Any]) -> None:
    ports = json.loads(up.run("stack", "output", "ports", "--json", "--stack", "t").check().out)
    published = seen["NetworkSettings"]["Ports"]["8080/tcp"][0]
    assert (ports[0]["ip"], ports[0]["external"]) == ("127.0.0.1", int(published["HostPort"]))


def test_the_address_in_the_network_is_an_output(up: Stack, seen: dict[str, Any]) -> None:
    data = json.loads(up.run("stack", "output", "data", "--json", "--stack", "t").check().out)
    assert up.name("net") in data[0].values()
    assert seen["NetworkSettings"]["Networks"][up.name("net")]["IPAddress"] in data[0].values()


def test_limits_reach_docker(seen: dict[str, Any]) -> None:
    host = seen["HostConfig"]
    limits = [host[key] for key in ("Memory", "MemorySwap", "MemoryReservation", "ShmSize")]
    assert [limit >> 20 for limit in limits] == [64, 64, 32, 32]
    assert (host["NanoCpus"], host["CpusetCpus"], host["CpuShares"]) == (500_000_000, "0", 512)


def test_the_state_has_the_official_ids(up: Stack, seen: dict[str, Any]) -> None:
    state = up.exported()
    network_id = docker("network", "inspect", "-f", "{{.Id}}", up.name("net"))
    assert (state["c"]["id"], state["net"]["id"], state["vol"]["id"]) == (seen["Id"], network_id, up.name("vol"))
    assert state["img"]["id"] == seen["Image"] + IMAGE


def test_destroy_removes_everything_but_what_is_retained(stack: Stack) -> None:
    kept = volume("kept", stack.name("kept")) | {"options": {"retain_on_delete": True}}
    inside = [{"container_path": "/data", "volume_name": {"$output": "kept.name"}}]
    net = network("net", stack.name("net"))
    stack.declare(
        kept,
        net,
        container("c", stack.name("c"), volumes=inside, networks_advanced=[{"name": {"$output": "net.name"}}]),
    )
    stack.up().check()
    stack.run("destroy", "--yes", "--skip-preview", "--stack", "t").check()
    assert docker("volume", "ls", "-q", "-f", f"name={stack.tag}") == stack.name("kept")
    assert (
        docker("ps", "-aq", "-f", f"name={stack.tag}") + docker("network", "ls", "-q", "-f", f"name={stack.tag}") == ""
    )


def test_a_preview_with_values_that_are_not_known_yet_works(stack: Stack) -> None:
    inputs = {
        "image": {"$output": "img.image_id"},
        "envs": [{"$output": "net.id"}],
        "labels": [{"label": "l", "value": {"$output": "net.id"}}],
    }
    stack.declare(network("net", stack.name("net")), image("img", IMAGE), container("c", stack.name("c"), **inputs))
    assert stack.preview().operations["c"] == "create"


def test_an_image_that_is_here_is_used_without_a_registry(stack: Stack) -> None:
    stack.declare(image("img", IMAGE), id={"$output": "img.image_id"})
    stack.up().check()
    assert stack.run("stack", "output", "id", "--stack", "t").out.strip() == docker("inspect", "-f", "{{.Id}}", IMAGE)


def test_an_image_that_nobody_has_is_an_error_with_its_name(stack: Stack) -> None:
    missing = "127.0.0.1:9/nobody/has:this"
    stack.declare(image("img", missing))
    ran = stack.up()
    assert ran.code != 0
    assert missing in ran.said


def test_a_taken_port_is_an_error_and_the_next_up_works(stack: Stack) -> None:
    stack.declare(container("c", stack.name("first"), ports=[{"internal": 80, "ip": "127.0.0.1"}]))
    stack.up().check()
    taken = int(inspect(stack.name("first"))["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])
    second = container("second", stack.name("second"), ports=[{"internal": 80, "external": taken, "ip": "127.0.0.1"}])
    stack.declare(second)
    subprocess.run(["docker", "rename", stack.name("first"), stack.name("other")], check=True)
    stack.seen.add(stack.name("other"))
    stack.run("state", "delete", "--yes", "--stack", "t", str(stack.exported()["c"]["urn"])).check()
    ran = stack.up()
    assert ran.code != 0
    assert "already allocated" in ran.said
    docker("rm", "-f", stack.name("other"))
    stack.up("--refresh").check()
    assert inspect(stack.name("second"))["State"]["Running"]


def test_an_existing_volume_can_be_imported(stack: Stack) -> None:
    docker("volume", "create", stack.name("vol"))
    stack.seen.add(stack.name("vol"))
    what = ["docker:index/volume:Volume", "vol", stack.name("vol")]
    stack.run("import", *what, "--yes", "--stack", "t", "--generate-code=false", "--protect=false").check()
    assert stack.exported()["vol"]["outputs"]["name"] == stack.name("vol")
