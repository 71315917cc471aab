"""The front door, and the load balancer over a model's replicas."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from infra.config.types import DurationS, PortNumber, SizeBytes
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Reach, Scope, Service, Settings, Workload
from infra.services.files import GENERATED
from infra.services.replicas import shared_names

FRONT_PORT: Final = 8080
BALANCER_PORT: Final = 8100
STATUS_PORT: Final = 8090

# Streams pass as they come: nothing is buffered, and a connection can be upgraded to a WebSocket.
_PROXY: Final = """\
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_connect_timeout 3s;
    proxy_next_upstream error timeout http_502 http_503;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;

    map $http_upgrade $connection_upgrade {
        default upgrade;
        "" "";
    }
"""


class NginxSettings(Settings):
    """hearth:edge."""

    expose: PortNumber | None = Field(
        default=8080,
        description="port of the host that people open (default 8080: free on most hosts and needs no rights)",
    )
    read_timeout: DurationS = Field(
        default=600,
        description="longest silence of an answer before it is cut, as in 10min (default 10min: as long as the gateway waits)",
    )
    body: SizeBytes = Field(
        default=100 * 2**20,
        description="largest request or uploaded file, as in 100MiB (default 100MiB: pictures and documents)",
    )


class Nginx(Service[NginxSettings]):
    """nginx: /v1 goes to the gateway, everything else to the UI; a second, internal port balances replicas."""

    name: ClassVar[str] = "nginx"
    section: ClassVar[str] = "edge"
    official_image: ClassVar[str] = "nginx:1.28.0"
    settings_type = NginxSettings

    def endpoints(self, settings: NginxSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return the front door, the balancer and nginx's own counters (asked for by the names of the latter two)."""
        host = self.host(settings, scope.config)
        return (
            Endpoint(self.name, "nginx", host, FRONT_PORT, probe_url=f"http://nginx:{FRONT_PORT}/healthz"),
            Endpoint("load_balancer", "nginx", host, BALANCER_PORT),
            Endpoint("nginx_status", "nginx", host, STATUS_PORT),
        )

    def reaches(self, settings: NginxSettings, context: Context) -> tuple[Reach, ...]:
        """Return the gateway, the UI, and the names that replicas share."""
        del settings
        behind = (*context.of("litellm")[:1], *context.of("open_webui")[:1])
        return (*(Reach.to(endpoint, any_host=True) for endpoint in behind), *shared_names(context))

    def workloads(self, settings: NginxSettings, context: Context) -> tuple[Workload, ...]:
        """Return nginx with its rendered nginx.conf."""
        return (
            Workload(
                instance="nginx",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("nginx", "-g", "daemon off;"),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(ConfigFile("/etc/nginx/nginx.conf", _config(settings, context)),),
                published=self.published(settings, FRONT_PORT),
                probe=Probe(FRONT_PORT, "/healthz", interval_s=2.0),
                start_timeout_s=60.0,
                memory_bytes=settings.memory,
            ),
        )


def _config(settings: NginxSettings, context: Context) -> str:
    """Names are resolved at request time (a variable in proxy_pass): nginx starts before the services behind it
    exist and follows them when a replaced container has a new address. A name with several addresses (the alias
    of a model's replicas) gives all of them, in turn, with the next one tried when one refuses.
    """
    gateways, uis = context.of("litellm"), context.of("open_webui")
    locations = [_location("/v1/", gateways[0].address)] if gateways else []
    locations += [_location("/", uis[0].address)] if uis else []
    return f"""# {GENERATED}
worker_processes auto;
error_log /dev/stderr warn;
pid /tmp/nginx.pid;

events {{
    worker_connections 1024;
}}

http {{
    access_log /dev/stdout;
    server_tokens off;
    resolver {context.resolver} valid=5s ipv6=off;
    client_max_body_size {settings.body};
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    proxy_read_timeout {settings.read_timeout:g}s;
    proxy_send_timeout {settings.read_timeout:g}s;
{_PROXY}
    server {{
        listen {FRONT_PORT};

        location = /healthz {{
            access_log off;
            default_type text/plain;
            return 200 "ok\\n";
        }}
{"".join(locations)}    }}

    server {{
        listen {STATUS_PORT};

        location = /stub_status {{
            access_log off;
            stub_status;
        }}
    }}
{_balancer(context)}}}
"""


def _location(path: str, address: str) -> str:
    return f"""
        location {path} {{
            set $upstream {address};
            proxy_pass http://$upstream;
        }}
"""


def _balancer(context: Context) -> str:
    shared = shared_names(context)
    if not shared:
        return ""
    names = "|".join(reach.name for reach in shared)
    # A fresh connection per request lets a name with several addresses spread the load request by request. A replica that
    # ends answers 500 for some seconds: the next is asked, also with POST (non_idempotent).
    return f"""
    server {{
        listen {BALANCER_PORT};

        location ~ ^/engines/(?<engines>{names})(?<path>/v1/.*)$ {{
            proxy_set_header Connection "";
            proxy_next_upstream error timeout http_500 http_502 http_503 http_504 non_idempotent;
            proxy_next_upstream_tries 3;
            proxy_pass http://$engines:{shared[0].port}$path$is_args$args;
        }}
    }}
"""
