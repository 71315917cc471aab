"""Ports: those that were declared are open where they were declared, and no others."""

from __future__ import annotations

from tests.host.conftest import Machine, Running


def test_it_publishes_what_was_declared_and_nothing_else(container: Running) -> None:
    wanted = {
        (f"{one['internal']}/tcp", one["ip"], str(one["external"])) for one in container.declared.arguments["ports"]
    }
    bindings = container.seen["HostConfig"].get("PortBindings") or {}
    there = {(inner, one["HostIp"], one["HostPort"]) for inner, ports in bindings.items() for one in ports or ()}
    assert there == wanted


def test_published_ports_listen_on_their_address_alone(host_machine: Machine) -> None:
    ran = host_machine.shell.run("ss -ltnH")
    assert ran.rc == 0, f"ss can't be run on {host_machine.site.host}: install iproute2"
    listening = {line.split()[3] for line in ran.stdout.splitlines() if line.strip()}
    declared = {
        f"{port['ip']}:{port['external']}"
        for one in host_machine.site.containers.values()
        for port in one.arguments["ports"]
    }
    everywhere = {
        f"{any_address}:{one.rpartition(':')[2]}" for one in declared for any_address in ("0.0.0.0", "[::]", "*")
    }
    assert declared <= listening
    assert not (everywhere - declared) & listening
