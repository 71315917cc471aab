"""Front door: what clients see before anything of the stack answers them."""

from __future__ import annotations

from monitoring.boards import Board, Panel, Row
from monitoring.panels import lamp, lines
from monitoring.queries import edge, gateway
from monitoring.selectors import CONNECTIONS, PROBES
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> Board:
    """Return the dashboard; certificates are shown where an address has one."""
    addresses = [target.address for job in subjects.jobs if job.name == PROBES for target in job.targets]
    secure = any(address.startswith("https://") for address in addresses)
    seen = (answers_lamp(), time_lines(), *([certificate_lines()] if secure else [])) if addresses else ()
    counted = (requests_lines(), connections_lines(), dropped_lines()) if subjects.has(CONNECTIONS) else ()
    rows = (Row("As clients see it", seen), Row("nginx", counted))
    return Board("front-door", "Hearth: front door", tuple(row for row in rows if row.panels))


def answers_lamp() -> Panel:
    """Which addresses answer."""
    return lamp("Answers", "Asked as a client without a key.", gateway.probe("success"), "{{instance}}")


def time_lines() -> Panel:
    """How long an answer takes."""
    about = "One question from name to last byte."
    return lines("Time of an answer", "s", about, (gateway.probe("duration_seconds"), "{{instance}}"))


def certificate_lines() -> Panel:
    """Days until a certificate ends."""
    about = "Certificates are renewed a month before their end."
    return lines("Certificate, days left", "short", about, (gateway.certificate_days(), "{{instance}}"))


def requests_lines() -> Panel:
    """Requests per second."""
    return lines("Requests per second", "reqps", "Pages, streams and API calls.", (edge.requests(), "{{instance}}"))


def connections_lines() -> Panel:
    """Open connections."""
    about = "Waiting ones are kept open by browsers and clients; a stream counts as writing."
    series = [(edge.connections(what), what) for what in ("active", "reading", "writing", "waiting")]
    return lines("Connections", "short", about, *series)


def dropped_lines() -> Panel:
    """Connections that nobody served."""
    about = "Accepted and not served: nginx is out of workers or files."
    return lines("Connections dropped per second", "short", about, (edge.dropped(), "{{instance}}"))
