"""What LiteLLM tells of requests, and what clients see of gateway, UI and front door."""

from __future__ import annotations

from typing import Final

from monitoring.queries.text import appeared, narrowed, quantile, rate
from monitoring.selectors import GATEWAY, PROBES, ROUTES

ERRORS_RECORD: Final = "gateway:litellm_errors:share_5m"

_REQUESTS: Final = "litellm_proxy_total_requests_metric_total"
_ASKED: Final = (f'job="{GATEWAY}"', f'route=~"{ROUTES}"')
_FAILED: Final = "litellm_proxy_failed_requests_metric_total"
# Less than one request in any window: what divides by it is never 0/0.
_LEAST: Final = "1e-9"
_FALLBACKS: Final = "litellm_deployment_successful_fallbacks_total"


def requests() -> str:
    """Return requests per second at the gateway, by model and status."""
    return rate(_REQUESTS, *_ASKED, by="requested_model, status_code")


def error_share() -> str:
    """Return the share of answered requests that end with a server error, 0 to 1; 0 without requests.

    Refused ones (4xx, and "None" where a key is missing) are left out of both: strangers who knock would water the share down.
    Two kinds that LiteLLM doesn't count as 5xx are errors all the same (litellm/exceptions.py and integrations/prometheus.py,
    1.102): 408 is an engine that took too long, and with every replica in cool-down the status is "None" too.
    """
    failed = _count(narrowed(_REQUESTS, *_ASKED, 'status_code=~"5..|408"'))
    well = _count(narrowed(_REQUESTS, *_ASKED, 'status_code=~"2.."'))
    nowhere = _count(narrowed(_FAILED, *_ASKED, 'exception_class=~".*RouterRateLimitError.*"'))
    return f"({failed} + {nowhere}) / clamp_min({failed} + {nowhere} + {well}, {_LEAST})"


def _count(selector: str) -> str:
    return f"(sum(rate({selector}[5m])) or vector(0))"


def latency(share: float = 0.95) -> str:
    """Return the time of a request through the gateway, in seconds, per model."""
    return quantile("litellm_request_total_latency_metric", share, by="requested_model")


def overhead(share: float = 0.95) -> str:
    """Return what the gateway itself adds to a request, in seconds."""
    return quantile("litellm_overhead_latency_metric", share, by="model_group")


def in_flight() -> str:
    """Return requests that the gateway works on."""
    return "sum by (instance) (litellm_in_flight_requests)"


def deployments() -> str:
    """Return how the gateway sees its deployments: 0 well, 1 some requests fail, 2 in cool-down."""
    return "max by (litellm_model_name, model_id) (litellm_deployment_state)"


def failures() -> str:
    """Return failed requests per second, by model and kind of error."""
    return rate(_FAILED, by="requested_model, exception_class")


def fallbacks() -> str:
    """Return requests per second that another model answered."""
    return rate(_FALLBACKS, by="requested_model, fallback_model")


def fallback_used() -> str:
    """Return requests of the last ten minutes that another model answered."""
    return appeared(_FALLBACKS, "10m", "requested_model, fallback_model")


def users() -> str:
    """Return tokens per second, by key and user. Without a database both name the master key's owner."""
    return rate("litellm_total_tokens_metric_total", by="api_key_alias, user")


def teams() -> str:
    """Return tokens per second, by team and model."""
    return rate("litellm_total_tokens_metric_total", by="team, requested_model")


def spend() -> str:
    """Return what was spent in the last hour, by key and model, in dollars; 0 where a model has no price."""
    return "sum by (api_key_alias, requested_model) (increase(litellm_spend_metric_total[1h]))"


def probe(metric: str, *matchers: str) -> str:
    """Return a figure of the questions that a client without a key asks."""
    return narrowed(f"probe_{metric}", f'job="{PROBES}"', *matchers)


def not_answering(*services: str) -> str:
    """Return the addresses of these services that don't answer."""
    asked = probe("success", f'service=~"{"|".join(services)}"')
    return f"{asked} == 0"


def certificate_days() -> str:
    """Return in how many days the certificate of an address ends."""
    return f"({probe('ssl_earliest_cert_expiry')} - time()) / 86400"
