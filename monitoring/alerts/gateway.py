"""Alerts of the gateway, and of what clients see: UI, front door, certificates."""

from __future__ import annotations

from monitoring.alerts.alert import CRITICAL, INSTANCE, SHARE, WARNING, Alert, minutes
from monitoring.queries import gateway, programs
from monitoring.selectors import CERTIFICATE_DAYS, CERTIFICATE_LAST_DAYS, ERROR_SHARE, FRONT_DOOR, GATEWAY, PUBLIC, UI
from monitoring.subjects import Job


def serving() -> list[Alert]:
    """Return the alerts of the gateway itself."""
    return [
        Alert(
            "GatewayDown", programs.down([GATEWAY]), minutes(1), CRITICAL, f"the gateway {INSTANCE} doesn't answer",
            "No model can be reached, although engines may be well.",
        ),
        Alert(
            "GatewayErrors", f"{gateway.ERRORS_RECORD} > {ERROR_SHARE}", minutes(5), CRITICAL,
            f"{SHARE} of the requests fail at the gateway", "Users get errors instead of answers.",
        ),
        Alert(
            "GatewayFallback", gateway.fallback_used(), 0, WARNING,
            "{{ $labels.requested_model }} was asked for, and {{ $labels.fallback_model }} answered",
            "Answers come, though of another model than people chose.",
        ),
    ]  # fmt: skip


def probed(job: Job) -> list[Alert]:
    """Return the alerts of what clients see; of services that nobody asks there are none."""
    services = {target.labels.get("service", "") for target in job.targets}
    page = (f"the web UI {INSTANCE} doesn't answer", "People can't open their chats. The API may be well.")
    # Once a certificate has ended nothing tells its date any more: the address just doesn't answer.
    door = (f"{INSTANCE} doesn't answer", "Nobody gets in: neither UI nor API.")
    found = [
        Alert(name, gateway.not_answering(*asked), minutes(2), CRITICAL, summary, felt)
        for name, asked, (summary, felt) in (("UiDown", (UI,), page), ("FrontDoorDown", (FRONT_DOOR, PUBLIC), door))
        if services & set(asked)
    ]
    if any(target.address.startswith("https://") for target in job.targets):
        days = gateway.certificate_days()
        found += [
            Alert(
                "CertificateExpiring", f"{days} < {limit}", minutes(60), severity,
                f"the certificate of {INSTANCE} ends in {{{{ $value | humanize }}}} days",
                "Nothing yet. When it has ended, browsers and clients refuse to connect.",
            )
            for limit, severity in ((CERTIFICATE_DAYS, WARNING), (CERTIFICATE_LAST_DAYS, CRITICAL))
        ]  # fmt: skip
    return found
