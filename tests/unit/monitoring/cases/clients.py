"""Gateway, UI, front door: what clients see."""

from __future__ import annotations

from tests.unit.monitoring.cases.case import CRITICAL, WARNING, Case, series, up

DAY_S = 86400
NOW_S = 20 * 60


def requests(status: str, route: str = "/v1/chat/completions") -> str:
    labels = {"job": "litellm", "instance": "litellm", "route": route, "status_code": status}
    return series("litellm_proxy_total_requests_metric_total", **labels)


def fallback(client: str = "a") -> str:
    labels = {"job": "litellm", "requested_model": "chat", "fallback_model": "small", "api_key_alias": client}
    return series("litellm_deployment_successful_fallbacks_total", **labels)


def probe(metric: str, instance: str, service: str) -> str:
    return series(f"probe_{metric}", job="probes", instance=instance, service=service, host="box")


def certificate(days: float) -> dict[str, str]:
    # Looked at after 70 minutes: an hour must have passed.
    end_s = round(70 * 60 + days * DAY_S)
    return {probe("ssl_earliest_cert_expiry", "public-address", "public_address"): f"{end_s}x400"}


PUBLIC = {"job": "probes", "instance": "public-address", "service": "public_address", "host": "box"}

CASES = (
    Case(
        "GatewayDown", "no answer", {up("litellm", "litellm"): "1x70 0x10"}, "the gateway litellm doesn't answer",
        {**CRITICAL, "job": "litellm", "instance": "litellm", "host": "box"},
    ),
    Case("GatewayDown", "one lost scrape", {up("litellm", "litellm"): "1x77 0x2 1x5"}),
    Case(
        "GatewayErrors", "one in ten, and many refused", {requests("200"): "0+90x80", requests("500"): "0+10x80",
        requests("None"): "0+900x80", requests("401"): "0+900x80"},
        "10% of the requests fail at the gateway", CRITICAL,
    ),
    Case("GatewayErrors", "one in a hundred", {requests("200"): "0+99x80", requests("500"): "0+1x80"}),
    Case("GatewayErrors", "only refused ones", {requests("200"): "0+50x80", requests("401"): "0+50x80"}),
    Case("GatewayErrors", "on pages of its own", {requests("200"): "0+50x80", requests("500", "/metrics"): "0+50x80"}),
    Case("GatewayErrors", "nobody asks", {requests("200"): "50x80", requests("500"): "50x80"}),
    Case(
        "GatewayFallback", "the first one makes its series", {fallback(): "_x70 1x10"},
        "chat was asked for, and small answered", {**WARNING, "requested_model": "chat", "fallback_model": "small"},
    ),
    Case(
        "GatewayFallback", "one more", {fallback(): "3x70 4x10", fallback("b"): "1x80"},
        "chat was asked for, and small answered", {**WARNING, "requested_model": "chat", "fallback_model": "small"},
    ),
    Case("GatewayFallback", "an hour ago", {fallback(): "3x80"}),
    Case(
        "UiDown", "no answer", {probe("success", "open-webui", "open_webui"): "1x60 0x20"},
        "the web UI open-webui doesn't answer",
        {**CRITICAL, "job": "probes", "instance": "open-webui", "service": "open_webui", "host": "box"},
    ),
    Case(
        "UiDown", "the front door doesn't",
        {probe("success", "nginx", "nginx"): "0x80", probe("success", "open-webui", "open_webui"): "1x80"},
    ),
    Case(
        "FrontDoorDown", "no answer", {probe("success", "nginx", "nginx"): "1x60 0x20"}, "nginx doesn't answer",
        {**CRITICAL, "job": "probes", "instance": "nginx", "service": "nginx", "host": "box"},
    ),
    Case("FrontDoorDown", "for a minute", {probe("success", "nginx", "nginx"): "1x75 0x5"}),
    Case(
        "CertificateExpiring", "in ten days", certificate(10), "the certificate of public-address ends in 10 days",
        {**WARNING, **PUBLIC}, at="70m",
    ),
    Case("CertificateExpiring", "in a month", certificate(30), at="70m"),
)  # fmt: skip
