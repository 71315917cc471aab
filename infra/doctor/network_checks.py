"""What is around a host: its ports, addresses and names, and the way to other hosts."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from infra.doctor.asked import DOCKER_HUB, Asked, registry_of
from infra.doctor.finding import error, listed, notice, warning
from infra.doctor.report import HostReport
from infra.errors import Finding
from infra.services.base import Published

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what listens on every address
_UNCHECKED: Final = ("stricthostkeychecking=no", "stricthostkeychecking=off")


def ssh_options(asked: Asked, report: HostReport) -> Finding | None:
    """The keys of hosts are checked: who answers as one is handed secrets."""
    del report
    told = [option for option in asked.section.ssh_options if option.lower().removeprefix("-o").strip() in _UNCHECKED]
    if not asked.is_remote or not told:
        return None
    problem = f"ssh_options has {listed(told)}: whoever answers in its place is given the stack's secrets"
    return warning(asked, problem, "remove it, and log in once by hand to note the host's key")


def ports(asked: Asked, report: HostReport) -> Finding | None:
    """Ports that the stack publishes are free, or held by the stack itself."""
    told = [
        f"{port.address}:{port.host_port} ({workload.instance}) by {holder}"
        for workload, port in asked.ports
        if (holder := _holder(asked, report, port))
    ]
    if told:
        return error(asked, f"ports are taken: {'; '.join(told)}", "stop that program, or change expose")
    if asked.ports and report.listeners is None:
        return notice(asked, "whether its ports are free can't be told", "install ss (iproute2) there")
    return None


def _holder(asked: Asked, report: HostReport, port: Published) -> str:
    """Say who else has the port; empty when nobody has."""
    for container in report.containers:
        if any(_overlap(address, port.address) and number == port.host_port for address, number in container.ports):
            # Without a proxy of its own Docker listens nowhere: its list of ports comes first.
            return "" if container.stack == asked.stack else f"container {container.name}"
    for listener in report.listeners or ():
        if listener.port == port.host_port and _overlap(listener.address, port.address):
            return listener.program or "another program"
    return ""


def _overlap(one: str, other: str) -> bool:
    return one == other or one in _ANY or other in _ANY


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def addresses(asked: Asked, report: HostReport) -> Finding | None:
    """Addresses that the stack listens on, and by which others reach the host, are the host's own."""
    if report.addresses is None:
        return notice(asked, "its addresses can't be told", "install ip (iproute2) there")
    wanted = {port.address: f"{workload.instance} publishes a port on it" for workload, port in asked.ports}
    if (asked.is_asked or asked.ways) and asked.section.address:
        wanted[asked.section.address] = f"hearth:inventory.hosts.{asked.host}.address has it"
    lacking = {
        address: why
        for address, why in wanted.items()
        if address not in _ANY and not _is_loopback(address) and address not in report.addresses
    }
    if not lacking:
        return None
    told = "; ".join(f"{address} isn't an address of this host, and {why}" for address, why in sorted(lacking.items()))
    own = [address for address in report.addresses if not _is_loopback(address) and not address.startswith("fe80:")]
    return error(asked, told, f"use one of its own: {listed(own)}")


def hub_name(asked: Asked, report: HostReport) -> Finding | None:
    """The hub's name resolves, where something is fetched from it."""
    lacking = [name for name in asked.hubs if report.names.get(name) is False]
    if not lacking:
        return None
    problem = f"{listed(lacking)} doesn't resolve there, and {len(asked.models) or 'some'} models are fetched from it"
    fix = "mend the host's name servers, or set hearth:prefetch.endpoint to a mirror that it reaches"
    # What is in the cache already is asked for no more.
    return warning(asked, problem, fix) if asked.hub_volume in report.volumes else error(asked, problem, fix)


def registries(asked: Asked, report: HostReport) -> Finding | None:
    """Registries of images that aren't there yet resolve, unless a proxy or a mirror is asked in their place."""
    daemon = report.daemon
    if daemon is None or daemon.has_proxy:
        return None
    wanted: dict[str, list[str]] = {}
    for image in asked.images:
        registry = registry_of(image)
        if registry is not None and image not in report.images and not (registry == DOCKER_HUB and daemon.has_mirror):
            wanted.setdefault(registry, []).append(image)
    lacking = {name: those for name, those in wanted.items() if report.names.get(name.partition(":")[0]) is False}
    if not lacking:
        return None
    count = sum(map(len, lacking.values()))
    problem = f"{listed(lacking)} doesn't resolve there, and {count} images aren't there yet"
    if not asked.is_remote:
        return warning(asked, problem, "nothing to do: `make up` builds images from packages here")
    return error(asked, problem, "mend its name servers, set a proxy or mirror in daemon.json, or `docker load` them")


def routes(asked: Asked, report: HostReport) -> Finding | None:
    """The host has a way to every host that it asks, and comes from the address that those know it by."""
    told = []
    for way in asked.ways:
        source = report.routes.get(way.address)
        if source == "":
            told.append(f"no way to {way.host} ({way.address})")
        elif source is not None and asked.section.address and source != asked.section.address:
            told.append(f"comes to {way.host} from {source}, and only {asked.section.address} is let in there")
    if not told:
        return None
    fix = f"mend routes, or set hearth:inventory.hosts.{asked.host}.address to the address that it comes from"
    return error(asked, "; ".join(told), fix)


def reach(asked: Asked, report: HostReport) -> Finding | None:
    """Other hosts answer on the ports that this one asks them on; before the stack is up they refuse, which is an answer."""
    is_up = bool(report.own(asked.stack))
    outcomes = [(way, report.reached.get(way.name, "unknown")) for way in asked.ways]
    away = [f"{way.host} ({way.name})" for way, outcome in outcomes if outcome == "no-way"]
    silent = [f"{way.host} ({way.name})" for way, outcome in outcomes if outcome == "silent"]
    refused = [f"{way.host} ({way.name})" for way, outcome in outcomes if outcome == "refused"]
    unknown = [f"{way.host} ({way.name})" for way, outcome in outcomes if outcome == "unknown"]
    if away:
        return error(asked, f"can't reach {listed(away)}", "mend cables, routes or firewalls between the two")
    if silent:
        problem = f"gets no answer from {listed(silent)}: something between drops it"
        fix = "let the firewalls between pass this port; they may do so for what Docker publishes, once it does"
        return (
            error(asked, problem, "let the firewalls between pass this port") if is_up else warning(asked, problem, fix)
        )
    if refused and is_up:
        return warning(
            asked, f"is refused by {listed(refused)}", f"`make up STACK={asked.stack}`: the relay there doesn't run"
        )
    if unknown:
        return notice(asked, f"whether it reaches {listed(unknown)} can't be told", "install bash and timeout there")
    return None
