"""The relay: hands on what one host's part of the stack asks of another's.

Every host has a network of its own. Where something is asked over its border, each of the two hosts runs one relay: on the
asking side it answers to the names of what is elsewhere, on the other it listens on the host's own address and hands on
to what it may. So engines and exporters publish no port, and only who has to may ask (docs/adr/0013).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, Final

from pydantic import Field

from infra.config.inventory import Inventory
from infra.config.schema import StackConfig
from infra.config.types import DurationS, PortNumber
from infra.errors import Finding
from infra.services.base import (
    ConfigFile,
    Context,
    Crossing,
    Endpoint,
    Probe,
    Published,
    Reach,
    Scope,
    Service,
    Settings,
    Workload,
)
from infra.services.files import GENERATED

PORT: Final = 9470
_HEALTH: Final = "/.hearth/relay"
_HERE: Final = "127.0.0.1"
_CONFIG: Final = "/etc/nginx/nginx.conf"
_MEANINGLESS: Final = ("place", "expose", "expose_address")


class RelaySettings(Settings):
    """hearth:relay: how hosts of one stack reach each other."""

    port: PortNumber = Field(
        default=PORT, description="port of each host's address that relays of other hosts ask (default 9470)"
    )
    read_timeout: DurationS = Field(
        default=3600,
        description="longest silence of an answer before it is cut, as in 1h (default 1h: who asks has its own, shorter)",
    )


class Relay(Service[RelaySettings]):
    """One nginx per host that asks another, or is asked."""

    name: ClassVar[str] = "relay"
    section: ClassVar[str] = "relay"
    official_image: ClassVar[str] = "nginx:1.28.0"
    settings_type = RelaySettings

    def absence(self, config: StackConfig) -> Finding | None:
        """Say nothing: it runs in the front door's image."""
        del config
        return None

    def hosts(self, settings: RelaySettings, scope: Scope) -> tuple[str, ...]:
        """Return none of its own: it follows what the others ask."""
        del settings, scope
        return ()

    def endpoints(self, settings: RelaySettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return none: it answers in the name of others."""
        del settings, scope
        return ()

    def findings(self, settings: RelaySettings, context: Context) -> tuple[Finding, ...]:
        """Check that every host at either end has an address, and that nothing is said that has no meaning."""
        fix = "write the address of the interface that other hosts reach it by, as in 10.0.0.11"
        ends = {host for crossing in context.crossings for host in (crossing.source, *crossing.reach.hosts)}
        addresses = {host: context.config.inventory.hosts[host].address for host in sorted(ends)}
        wrong = [
            Finding(f"hearth:inventory.hosts.{host}.address", _problem(host, address, context.crossings), fix)
            for host, address in addresses.items()
            if address is None or not _is_ip(address)
        ]
        given = [address for address in addresses.values() if address is not None]
        wrong += [
            Finding(f"hearth:inventory.hosts.{host}.address", f"{address} is that of another host too", fix)
            for host, address in addresses.items()
            if address is not None and given.count(address) > 1
        ]
        fixed = [
            Finding(f"hearth:{self.section}.{key}", "has no meaning: it runs where hosts ask each other", "remove it")
            for key in _MEANINGLESS
            if key in settings.model_fields_set
        ]
        return (*wrong, *fixed)

    def workloads(self, settings: RelaySettings, context: Context) -> tuple[Workload, ...]:
        """Return one relay for each end of what is asked over hosts."""
        ends = {host for crossing in context.crossings for host in (crossing.source, *crossing.reach.hosts)}
        return tuple(
            self._workload(settings, context, host)
            for host in context.hosts
            if host in ends and _have_addresses(context.config.inventory, ends)
        )

    def _workload(self, settings: RelaySettings, context: Context, host: str) -> Workload:
        asked_from_here = [crossing.reach for crossing in context.crossings if crossing.source == host]
        answered_here = [crossing for crossing in context.crossings if host in crossing.reach.hosts]
        addresses = {name: str(one.address) for name, one in context.config.inventory.hosts.items()}
        is_asked = any(crossing.source != host for crossing in answered_here)
        parts = (
            *_doors({name: addresses[name] for name in context.hosts}, host, answered_here),
            *_ways(addresses, host, settings.port, asked_from_here),
        )
        text = _HEAD.format(
            generated=GENERATED,
            resolver=context.resolver,
            timeout_s=f"{settings.read_timeout:g}s",
            parts="".join(parts),
        )
        return Workload(
            instance=f"relay-{host}",
            service=self.name,
            host=host,
            image=str(self.image(context.config)),
            command=("nginx", "-g", "daemon off;"),
            restart=settings.restart or context.config.restart,
            answers_for=tuple(sorted({reach.name for reach in asked_from_here})),
            environment=settings.environment,
            files=(ConfigFile(_CONFIG, text),),
            published=(Published(PORT, settings.port, addresses[host]),) if is_asked else (),
            probe=Probe(PORT, _HEALTH, interval_s=2.0),
            start_timeout_s=60.0,
            memory_bytes=settings.memory,
        )


def _problem(host: str, address: str | None, crossings: Sequence[Crossing]) -> str:
    other, name = next(
        (sorted({crossing.source, *crossing.reach.hosts} - {host})[0], crossing.reach.name)
        for crossing in crossings
        if host in {crossing.source, *crossing.reach.hosts} and {crossing.source, *crossing.reach.hosts} != {host}
    )
    why = f"and {name} is asked over {host} and {other}"
    return f"is missing, {why}" if address is None else f"{address!r} is no IP address, {why}"


def _is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def _have_addresses(inventory: Inventory, hosts: Iterable[str]) -> bool:
    return all(_is_ip(inventory.hosts[host].address or "") for host in hosts)


def _doors(addresses: Mapping[str, str], host: str, answered: Sequence[Crossing]) -> Iterator[str]:
    """Yield who may ask this host for what; a host is told by the address that it comes from."""
    sources = {crossing.source for crossing in answered} - {host}
    known = [f"        {_HERE} {host};\n", *(f"        {addresses[source]} {source};\n" for source in sorted(sources))]
    yield f'\n    geo $source {{\n        default "";\n{"".join(known)}    }}\n'
    allowed = [
        f'        "{crossing.source} {_key(crossing.reach)}" {crossing.reach.inside}:{crossing.reach.port};\n'
        for crossing in answered
    ]
    yield f'\n    map "$source $http_x_hearth_to" $inside {{\n        default "";\n{"".join(allowed)}    }}\n'
    yield _DOOR


def _ways(addresses: Mapping[str, str], host: str, port: int, reaches: Sequence[Reach]) -> Iterator[str]:
    """Yield one server for each name that is asked from here, and where its requests go."""
    for reach in reaches:
        servers = "".join(
            f"        server {_HERE}:{PORT} weight={count} max_fails=0;\n"
            if there == host
            else f"        server {_shown(addresses[there])}:{port} weight={count} max_fails=0;\n"
            for there, count in sorted(reach.hosts.items())
        )
        default = " default_server" if reach.any_host else ""
        yield _WAY.format(name=reach.name, port=reach.port, servers=servers, key=_key(reach), default=default)
    with_default = {reach.port for reach in reaches if reach.any_host}
    for other in sorted({reach.port for reach in reaches} - with_default):
        yield _NOBODY.format(port=other)


def _key(reach: Reach) -> str:
    return f"{reach.name}:{reach.port}"


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


# Streams pass as they come, and connections are upgraded, as at the front door. What was not answered is tried on the next
# host, completions too (they are asked with POST: non_idempotent). A vLLM that ends answers 500 for some seconds (seen with
# 0.32: "cannot schedule new futures after shutdown"); a request that gives 500 everywhere mustn't take hosts out of service
# for others (max_fails=0), so a host that is gone costs who comes to it a short time-out.
_HEAD: Final = """# {generated}
worker_processes auto;
error_log /dev/stderr warn;
pid /tmp/nginx.pid;

events {{
    worker_connections 4096;
}}

http {{
    access_log off;
    server_tokens off;
    resolver {resolver} valid=5s ipv6=off;
    client_max_body_size 0;
    map_hash_bucket_size 256;
    server_names_hash_bucket_size 256;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    proxy_read_timeout {timeout_s};
    proxy_send_timeout {timeout_s};
    proxy_connect_timeout 2s;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_next_upstream error timeout http_500 http_502 http_503 http_504 non_idempotent;
    proxy_next_upstream_tries 3;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        "" "";
    }}
{parts}}}
"""
_DOOR: Final = f"""
    server {{
        listen {PORT};

        location = {_HEALTH} {{
            allow {_HERE};
            deny all;
            default_type text/plain;
            return 200 "ok\\n";
        }}

        location / {{
            if ($inside = "") {{
                return 403;
            }}
            proxy_set_header Host $http_host;
            proxy_set_header X-Hearth-To "";
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_pass http://$inside;
        }}
    }}
"""
_WAY: Final = """
    upstream {name}_{port} {{
{servers}    }}

    server {{
        listen {port}{default};
        server_name {name};

        location / {{
            proxy_set_header Host $http_host;
            proxy_set_header X-Hearth-To {key};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_pass http://{name}_{port};
        }}
    }}
"""
_NOBODY: Final = """
    server {{
        listen {port} default_server;
        return 421;
    }}
"""
