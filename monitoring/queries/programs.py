"""What programs tell of themselves: up or not, Prometheus's own work, and where alerts get lost."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.selectors import ENGINES


def up(job: str) -> str:
    """Return 1 for every target of a job that answers, 0 for one that doesn't."""
    return f'up{{job="{job}"}}'


def down(jobs: Sequence[str]) -> str:
    """Return the targets of these jobs that don't answer."""
    return f'up{{job=~"{"|".join(jobs)}"}} == 0'


def missing(job: str, instance: str) -> str:
    """Return 1 when a declared target isn't scraped at all."""
    return f'absent(up{{instance="{instance}", job="{job}"}})'


def firing() -> str:
    """Return how many alerts fire; the one that always does isn't counted."""
    return 'sum(ALERTS{alertstate="firing", severity!="none"}) or vector(0)'


def firing_by_name() -> str:
    """Return the alerts that fire."""
    return 'sum by (alertname, severity) (ALERTS{alertstate="firing"})'


def reload_failed(job: str) -> str:
    """Return where Prometheus or the Alertmanager (`job`) could not read its last configuration."""
    return f'{job}_config_last_reload_successful{{job="{job}"}} == 0'


def rules_failing() -> str:
    """Return how often rules couldn't be evaluated in a quarter of an hour."""
    return "increase(prometheus_rule_evaluation_failures_total[15m]) > 0"


def undelivered() -> str:
    """Return how many messages of the Alertmanager reached nobody in a quarter of an hour, by the way they should go."""
    return "increase(alertmanager_notifications_failed_total[15m]) > 0"


def unsent() -> str:
    """Return how often Prometheus couldn't hand alerts to the Alertmanager just now.

    It tries again within a minute or so: an Alertmanager that was away for a moment has missed nothing.
    """
    return "increase(prometheus_notifications_errors_total[3m]) > 0"


def notifications(what: str) -> str:
    """Return messages of the Alertmanager per second, by the way they go: `total` or `failed_total`."""
    return f"sum by (integration) (rate(alertmanager_notifications_{what}[5m]))"


def targets_up_share() -> str:
    """Return the share of targets that answer, by job."""
    return "avg by (job) (up)"


def scrape_seconds() -> str:
    """Return how long a scrape takes, in seconds, by job."""
    return "max by (job) (scrape_duration_seconds)"


def samples_per_s() -> str:
    """Return samples that are taken in per second."""
    return "sum by (instance) (rate(prometheus_tsdb_head_samples_appended_total[5m]))"


def series() -> str:
    """Return how many series Prometheus holds in memory."""
    return "sum by (instance) (prometheus_tsdb_head_series)"


def storage_bytes() -> str:
    """Return what the store's blocks take on their disk, in bytes; the last two hours aren't in a block yet."""
    return "sum by (instance) (prometheus_tsdb_storage_blocks_bytes)"


def rule_seconds() -> str:
    """Return how long the last evaluation of a group of rules took, in seconds."""
    return "max by (rule_group) (prometheus_rule_group_last_duration_seconds)"


def rule_failures() -> str:
    """Return failed evaluations per second."""
    return "sum by (instance) (rate(prometheus_rule_evaluation_failures_total[5m]))"


def started() -> str:
    """Return programs, but for engines, that have started anew within two minutes."""
    return f'changes(process_start_time_seconds{{job!="{ENGINES}"}}[2m]) > 0'
