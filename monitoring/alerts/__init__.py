"""The alerts of a stack, each with a runbook. Targets are watched by name: a lost one can't go unnoticed."""

from __future__ import annotations

from dataclasses import replace

from monitoring.alerts import engines, gateway, hosts, objectives, programs
from monitoring.alerts.alert import Alert
from monitoring.selectors import ENGINES, GATEWAY, NODE, PROBES, SUPERVISION
from monitoring.subjects import Subjects, Tuning
from monitoring.versions import fitting

__all__ = ["Alert", "alerts"]


def alerts(subjects: Subjects) -> list[Alert]:
    """Return the alerts of a stack, by name, as people have tuned them.

    Those of absent programs are left out, and those of metrics that the engines' version hasn't got: they could never fire.
    """
    fit = fitting(subjects.older_names)
    found = []
    for alert in _of_what_is_there(subjects):
        expression = fit(alert.expression)
        tuned = alert.tuned(subjects.tuning.get(alert.name, Tuning()))
        if expression is not None and tuned is not None:
            found.append(replace(tuned, expression=expression))
    return sorted(found, key=lambda alert: (alert.name, alert.severity, alert.expression))


def _of_what_is_there(subjects: Subjects) -> list[Alert]:
    has = subjects.has
    found = [*programs.targets(subjects), *programs.watchers(subjects), programs.watchdog()]
    found += engines.load() if has(ENGINES) else []
    found += engines.life() if has(ENGINES) and has(SUPERVISION) else []
    found += engines.apart() if has(SUPERVISION) and any(engine.kv_tokens for engine in subjects.engines) else []
    found += (
        objectives.burning(subjects.objective, subjects.chat_models) if has(ENGINES) and subjects.chat_models else []
    )
    found += gateway.serving() if has(GATEWAY) else []
    found += [alert for job in subjects.jobs if job.name == PROBES for alert in gateway.probed(job)]
    found += hosts.machines() if has(NODE) else []
    found += (
        [hosts.reachable()]
        if len({target.labels.get("host") for job in subjects.jobs for target in job.targets}) > 1
        else []
    )
    return [*found, *hosts.hardware(subjects)]
