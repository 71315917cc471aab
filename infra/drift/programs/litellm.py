"""LiteLLM: the models that it really routes to. With a database it merges what people add there over its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from infra.drift.difference import Wins
from infra.drift.look import NOTHING
from infra.drift.programs.inside import Inside, Note, Told

_CONFIG: Final = "/etc/litellm/config.yaml"
# The key stays where it is: the program inside reads it, and prints models alone.
_ASK: Final = """
import json, urllib.request
key = open("/run/secrets/hearth/LITELLM_MASTER_KEY").read().strip()
def ask(path):
    wanted = urllib.request.Request("http://127.0.0.1:4000" + path, headers={"Authorization": "Bearer " + key})
    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(wanted, timeout=15))
models = [
    {"id": one["model_info"].get("id"), "name": one["model_name"], "model": one["litellm_params"].get("model"),
     "address": one["litellm_params"].get("api_base"), "stored": bool(one["model_info"].get("db_model"))}
    for one in ask("/model/info")["data"]
]
found = {"models": models, "keys": None, "teams": None}
found["database"] = ask("/health/readiness").get("db") == "connected"
if found["database"]:
    found["keys"] = ask("/key/list?size=1").get("total_count")
    found["teams"] = len(ask("/team/list"))
print(json.dumps(found))
"""


def litellm(inside: Inside) -> Iterator[Told | Note]:
    """Compare models by their ids: name, what is asked for, and where."""
    wanted = {
        one["model_info"]["id"]: (one["model_name"], one["litellm_params"]["model"], one["litellm_params"]["api_base"])
        for one in yaml.safe_load(inside.file(_CONFIG))["model_list"]
    }
    found = inside.script(_ASK)
    there = {str(one["id"]): one for one in found["models"]}
    for name in sorted(wanted.keys() - there.keys()):
        yield Told(f"model {name}", _route(wanted[name]), "not served")
    for name, one in sorted(there.items()):
        route = (one["name"], one["model"], one["address"])
        if one["stored"]:
            repair = f"remove it in LiteLLM's own page, or POST /model/delete with id {name}"
            adopt = f"add it to hearth:models as {one['name']}"
            yield Told(f"model {name}", NOTHING, f"{_route(route)}, in its database", Wins.DATABASE, repair, adopt)
        elif wanted.get(name) != route:
            yield Told(f"model {name}", _route(wanted[name]) if name in wanted else NOTHING, _route(route))
    yield Note(_kept(found))


def _route(route: tuple[str, str, str]) -> str:
    return f"{route[0]} -> {route[1]} at {route[2]}"


def _kept(found: Mapping[str, Any]) -> str:
    if not found["database"]:
        return "runs without a database: it keeps no models, keys or teams of its own"
    return f"{found['keys']} keys and {found['teams']} teams are data of its database, and aren't compared"
