"""Alerts of monitoring itself: what isn't watched, what isn't told, and the one that always fires."""

from __future__ import annotations

from monitoring.alerts.alert import INSTANCE, WARNING, Alert, minutes
from monitoring.queries import programs
from monitoring.selectors import ALERTMANAGER, ENGINES, GATEWAY, PROBES, PROMETHEUS, SUPERVISION
from monitoring.subjects import Subjects


def targets(subjects: Subjects) -> list[Alert]:
    """Declared targets that don't answer, and declared targets that aren't scraped at all."""
    found = []
    # Engines and the gateway have alerts of their own, and a probe that fails is what it is there for.
    spoken_for = {GATEWAY, PROBES} | ({ENGINES} if subjects.has(SUPERVISION) else set())
    others = sorted({job.name for job in subjects.jobs} - spoken_for)
    if others:
        silent = f"{INSTANCE} of {{{{ $labels.job }}}} doesn't answer"
        felt = "Users feel nothing; what it watches or shows is missing."
        found.append(Alert("TargetDown", programs.down(others), minutes(1), WARNING, silent, felt))
    declared = sorted({(job.name, target.instance) for job in subjects.jobs for target in job.targets})
    if declared:
        expression = "\nor ".join(programs.missing(job, instance) for job, instance in declared)
        summary = f"{INSTANCE} of {{{{ $labels.job }}}} is declared, and Prometheus doesn't scrape it"
        unseen = "Nothing is known of it: none of its other alerts can fire."
        found.append(Alert("TargetMissing", expression, minutes(5), WARNING, summary, unseen))
    return found


def watchers(subjects: Subjects) -> list[Alert]:
    """Return what is wrong with Prometheus and the Alertmanager, as they say themselves."""
    found = []
    broken = [programs.reload_failed(job) for job in (ALERTMANAGER, PROMETHEUS) if subjects.has(job)]
    if broken:
        summary = f"{INSTANCE} runs on an old configuration"
        old = "What was declared since is not watched, or is told to nobody."
        found.append(Alert("PrometheusConfigBroken", "\nor ".join(broken), minutes(1), WARNING, summary, old))
    if subjects.has(PROMETHEUS):
        summary = f"{INSTANCE} can't evaluate {{{{ $labels.rule_group }}}}"
        blind = "Alerts of this group can't fire, and panels that read its records stay blank."
        found.append(Alert("RulesFailing", programs.rules_failing(), minutes(5), WARNING, summary, blind))
    unheard = [programs.undelivered()] if subjects.has(ALERTMANAGER) else []
    unheard += [programs.unsent()] if subjects.has(PROMETHEUS) and subjects.has(ALERTMANAGER) else []
    if unheard:
        summary = f"{INSTANCE} couldn't pass alerts on"
        told = "Alerts fire, and nobody is told."
        found.append(Alert("AlertsUndelivered", "\nor ".join(unheard), minutes(5), WARNING, summary, told))
    return found


def watchdog() -> Alert:
    """Return the alert that always fires."""
    summary = "always fires: when it stops, alerting is broken"
    return Alert("Watchdog", "vector(1)", 0, "none", summary, "Nothing is wrong while this alert is there.")
