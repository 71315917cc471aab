"""What monitoring is told of a stack."""

from __future__ import annotations

import monitoring
from infra.services.base import Context

RUNBOOKS = "docs/runbooks"


def subjects(context: Context) -> monitoring.Subjects:
    """Return what monitoring is told of the stack: everything that declares a metrics path."""
    jobs: dict[tuple[str, str], list[monitoring.Target]] = {}
    for endpoint in context.endpoints:
        if endpoint.metrics_path is not None:
            target = monitoring.Target(endpoint.instance, endpoint.address, endpoint.labels)
            jobs.setdefault((endpoint.service, endpoint.metrics_path), []).append(target)
    return monitoring.Subjects(
        stack=context.plan.stack,
        jobs=tuple(monitoring.Job(name, path, tuple(targets)) for (name, path), targets in sorted(jobs.items())),
        chat_models=tuple(context.models("chat")),
        embedding_models=tuple(context.models("embedding")),
        runbook_url=RUNBOOKS,
    )
