"""Grafana: what people have clicked together beside the provisioned dashboards and data sources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from infra.drift.difference import Wins
from infra.drift.look import NOTHING
from infra.drift.programs.inside import Inside, Note, Told

_DASHBOARDS: Final = "/var/lib/hearth/dashboards/"
_SOURCES: Final = "/etc/grafana/provisioning/datasources/hearth.yml"
# printf is the shell's own: neither name nor password is in a list of processes.
_ASK: Final = """
login() { printf 'user = "%s:%s"\\n' "$GF_SECURITY_ADMIN_USER" "$(cat "$GF_SECURITY_ADMIN_PASSWORD__FILE")"; }
ask() { login | curl -fsS -K - --noproxy '*' --max-time 15 "http://127.0.0.1:3000$1"; }
# Who isn't let in asks once: Grafana locks an account after a few tries.
ask /api/org >/dev/null || exit
for path in "$@"; do ask "$path" 2>/dev/null || printf null; echo; done
"""
_MADE_BY_HAND: Final = "made by hand: {}"


def grafana(inside: Inside) -> Iterator[Told | Note]:
    """Compare dashboards, data sources and alert rules, as the admin sees them."""
    wanted = {
        board["uid"]: board
        for board in (json.loads(file.content) for file in inside.workload.files if file.path.startswith(_DASHBOARDS))
    }
    # As provisioning reads it.
    sources = yaml.safe_load(inside.file(_SOURCES).replace("$$", "$"))["datasources"]
    paths = ["/api/search?type=dash-db&limit=5000", "/api/datasources", "/api/v1/provisioning/alert-rules"]
    paths += [f"/api/dashboards/uid/{uid}" for uid in sorted(wanted)]
    listed = inside.run(["sh", "-c", _ASK, "ask", *paths])
    boards, connected, rules, *shown = (inside.parsed(line) for line in listed.splitlines() if line)
    yield from _boards(wanted, boards or [], {one["dashboard"]["uid"]: one for one in shown if one})
    yield from _sources({one["uid"]: one for one in sources}, {one["uid"]: one for one in connected or ()})
    for rule in sorted(rules or (), key=lambda rule: str(rule["uid"])):
        adopt = "declare an alert for Prometheus: hearth:monitoring.prometheus.alerts"
        yield _by_hand(f"alert rule {rule['uid']}", str(rule.get("title")), "delete it in Grafana", adopt)


def _boards(wanted: Mapping[str, Any], listed: list[Any], shown: Mapping[str, Any]) -> Iterator[Told]:
    for board in sorted(listed, key=lambda board: str(board["uid"])):
        if board["uid"] not in wanted:
            adopt = "export its JSON, and keep it with the stack's own dashboards"
            yield _by_hand(f"dashboard {board['uid']}", str(board["title"]), "delete it in Grafana", adopt)
    for uid, board in sorted(wanted.items()):
        one = shown.get(uid)
        if one is None:
            yield Told(f"dashboard {uid}", "provisioned", "not there")
        elif not one["meta"].get("provisioned") or _outline(one["dashboard"]) != _outline(board):
            seen = "edited" if one["meta"].get("provisioned") else "another of its name, made by hand"
            yield Told(f"dashboard {uid}", "provisioned", seen, Wins.DATABASE, "delete it in Grafana, and restart that")


def _outline(board: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A newer Grafana may write panels in its own way: titles stay what they were."""
    panels = [panel for row in board.get("panels", ()) for panel in (row, *(row.get("panels") or ()))]
    return str(board.get("title")), sorted(str(panel.get("title", "")) for panel in panels)


def _sources(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Told]:
    for uid in sorted(wanted.keys() | there.keys()):
        if uid not in wanted:
            yield _by_hand(f"data source {uid}", str(there[uid].get("name")), "delete it in Grafana", "")
        elif uid not in there:
            yield Told(f"data source {uid}", "provisioned", "not there")
        elif any(wanted[uid][key] != there[uid].get(key) for key in ("type", "url")):
            seen = f"{there[uid].get('type')} at {there[uid].get('url')}"
            yield Told(f"data source {uid}", f"{wanted[uid]['type']} at {wanted[uid]['url']}", seen)


def _by_hand(aspect: str, title: str, repair: str, adopt: str) -> Told:
    return Told(aspect, NOTHING, _MADE_BY_HAND.format(title), Wins.DATABASE, repair, adopt)
