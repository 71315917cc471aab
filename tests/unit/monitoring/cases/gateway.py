"""The gateway, and what clients see."""

from __future__ import annotations

from typing import Any

from tests.unit.monitoring.cases.case import Case, of, up
from tests.unit.monitoring.watched import target_labels

CRITICAL = ("critical",)
GATEWAY = target_labels("litellm", "litellm")
PUBLIC = target_labels("probes", "public-address")
DAY_S = 86400


def requests(status: str, route: str = "/v1/chat/completions") -> str:
    return of(
        "litellm", "litellm", "litellm_proxy_total_requests_metric_total",
        route=route, status_code=status, requested_model="chat",
    )  # fmt: skip


def failed(kind: str) -> str:
    return of(
        "litellm", "litellm", "litellm_proxy_failed_requests_metric_total",
        route="/v1/chat/completions", exception_class=kind, exception_status="None", requested_model="chat",
    )  # fmt: skip


def fallbacks(to: str = "small", key: str = "None") -> str:
    return of(
        "litellm", "litellm", "litellm_deployment_successful_fallbacks_total",
        requested_model="chat", fallback_model=to, api_key_alias=key,
    )  # fmt: skip


def answers(instance: str) -> str:
    return of("probes", instance, "probe_success")


def certificate(days: float, cases: str = "x400") -> dict[str, str]:
    """A certificate that ends so many days after the moment that is looked at (two hours after the epoch)."""
    return {of("probes", "public-address", "probe_ssl_earliest_cert_expiry"): f"{days * DAY_S + 7200:.0f}{cases}"}


FELL_BACK = {"requested_model": "chat", "fallback_model": "small"}
FELL_BACK_SUMMARY = "chat was asked for, and small answered"
ENDS = "the certificate of public-address ends in {} days"
TWO_HOURS: dict[str, Any] = {"at": "2h", "interval": "30s"}

CASES = (
    Case(
        "GatewayDown", "away", {up("litellm", "litellm"): "1x70 0x10"},
        "the gateway litellm doesn't answer", GATEWAY, CRITICAL,
    ),
    Case("GatewayDown", "one lost scrape", {up("litellm", "litellm"): "1x76 0x3"}),
    Case("GatewayDown", "an engine is away", {up("vllm", "chat-0"): "0x80"}),
    Case(
        "GatewayErrors", "one in ten, and many refused",
        {requests("200"): "0+90x80", requests("500"): "0+10x80", requests("None"): "0+900x80", requests("401"): "0+900x80"},
        "10% of the requests fail at the gateway", {}, CRITICAL,
    ),
    Case(
        "GatewayErrors", "nothing but errors", {requests("503"): "0+10x80"},
        "100% of the requests fail at the gateway", {}, CRITICAL,
    ),
    Case(
        "GatewayErrors", "engines take too long", {requests("200"): "0+90x80", requests("408"): "0+10x80"},
        "10% of the requests fail at the gateway", {}, CRITICAL,
    ),
    Case(
        "GatewayErrors", "every replica is in cool-down",
        {requests("200"): "0+90x80", requests("None"): "0+10x80", failed("RouterRateLimitError"): "0+10x80"},
        "10% of the requests fail at the gateway", {}, CRITICAL,
    ),
    Case("GatewayErrors", "one in a hundred", {requests("200"): "0+99x80", requests("500"): "0+1x80"}),
    Case(
        "GatewayErrors", "only refused ones",
        {requests("200"): "0+50x80", requests("401"): "0+50x80", failed("ProxyException"): "0+50x80"},
    ),
    Case("GatewayErrors", "on pages of its own", {requests("200"): "0+50x80", requests("500", "/metrics"): "0+50x80"}),
    Case("GatewayErrors", "nobody asks any more", {requests("200"): "900x80", requests("500"): "500x80"}),
    Case(
        "GatewayErrors", "restarted, and counts anew",
        {requests("200"): "0+90x40 0+90x40", requests("500"): "800x40 0x40"},
    ),
    Case("GatewayFallback", "once more", {fallbacks(): "3x60 4x20"}, FELL_BACK_SUMMARY, FELL_BACK),
    Case("GatewayFallback", "for the first time", {fallbacks(): "_x60 1x20"}, FELL_BACK_SUMMARY, FELL_BACK),
    Case(
        "GatewayFallback", "for the first time with another key", {fallbacks(): "7x80", fallbacks(key="team"): "_x60 1x20"},
        FELL_BACK_SUMMARY, FELL_BACK,
    ),
    Case(
        "GatewayFallback", "for the first time since its restart",
        {up("litellm", "litellm"): "1x40 0x4 1x40", fallbacks(): "3x40 stale _x30 1x20"}, FELL_BACK_SUMMARY, FELL_BACK,
    ),
    Case("GatewayFallback", "long ago", {fallbacks(): "_x10 7x80"}),
    Case(
        "GatewayFallback", "Prometheus is new, and the gateway old",
        {up("litellm", "litellm"): "_x60 1x20", fallbacks(): "_x60 7x20"},
    ),
    Case(
        "UiDown", "away",
        {answers("open-webui"): "0x80"}, "the web UI open-webui doesn't answer", target_labels("probes", "open-webui"), CRITICAL,
    ),
    Case("UiDown", "the door is", {answers("open-webui"): "1x80", answers("nginx"): "0x80"}),
    Case("UiDown", "for a moment", {answers("open-webui"): "1x75 0x5"}),
    Case(
        "FrontDoorDown", "nginx",
        {answers("nginx"): "0x80"}, "nginx doesn't answer", target_labels("probes", "nginx"), CRITICAL,
    ),
    Case(
        "FrontDoorDown", "the address that people use, whose certificate has ended",
        {answers("nginx"): "1x80", answers("public-address"): "1x40 0x40"}, "public-address doesn't answer", PUBLIC, CRITICAL,
    ),
    Case(
        "FrontDoorDown", "the UI is",
        {answers("nginx"): "1x80", answers("public-address"): "1x80", answers("open-webui"): "0x80"},
    ),
    Case("FrontDoorDown", "nobody is there to ask", {up("probes", "nginx"): "0x80", answers("nginx"): "1x40 stale"}),
    Case(
        "CertificateExpiring", "in ten days", certificate(10), ENDS.format("10"), PUBLIC, ("warning",), **TWO_HOURS,
    ),
    Case(
        "CertificateExpiring", "in two days", certificate(2), ENDS.format("2"), PUBLIC, ("critical", "warning"), **TWO_HOURS,
    ),
    Case("CertificateExpiring", "in fifteen days", certificate(15), **TWO_HOURS),
    Case(
        "CertificateExpiring", "was renewed", {next(iter(certificate(2))): f"{9000}x230 {90 * DAY_S}x170"}, **TWO_HOURS,
    ),
)  # fmt: skip
