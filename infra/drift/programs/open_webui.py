"""Open WebUI: settings that an admin has changed in the page.

With ENABLE_PERSISTENT_CONFIG=false, as Hearth declares it, they are in the program's memory until it starts again; else
they are in its database, and win over the declaration for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from infra.drift.difference import Wins
from infra.drift.programs.inside import Inside, Note, Told

# The program's own key of each variable that Hearth writes (open_webui/config.py, DEFAULT_CONFIG).
_KEYS: Final = {
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "rag.bypass_embedding_and_retrieval",
    "DEFAULT_MODELS": "ui.default_models",
    "DEFAULT_USER_ROLE": "ui.default_user_role",
    "ENABLE_API_KEYS": "auth.enable_api_keys",
    "ENABLE_COMMUNITY_SHARING": "ui.enable_community_sharing",
    "ENABLE_OLLAMA_API": "ollama.enable",
    "ENABLE_OPENAI_API": "openai.enable",
    "ENABLE_SIGNUP": "ui.enable_signup",
    "OPENAI_API_BASE_URL": "openai.api_base_urls",
    "RAG_EMBEDDING_ENGINE": "rag.embedding_engine",
    "RAG_EMBEDDING_MODEL": "rag.embedding_model",
    "RAG_OPENAI_API_BASE_URL": "rag.openai.api_base_url",
    "WEBUI_URL": "webui.url",
}
_API_KEYS: Final = "openai.api_keys"
# Passwords and keys stay inside: of the keys to the gateway it only says whether they are the declared one.
_ASK: Final = """
import json, os, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def secret(name):
    return open("/run/secrets/hearth/" + name).read().strip()
def ask(path, body=None, token=""):
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}
    data = json.dumps(body).encode() if body is not None else None
    url = "http://127.0.0.1:" + os.environ["PORT"] + path
    return json.load(opener.open(urllib.request.Request(url, data, headers), timeout=15))
login = {"email": os.environ["WEBUI_ADMIN_EMAIL"], "password": secret("WEBUI_ADMIN_PASSWORD")}
try:
    token = ask("/api/v1/auths/signin", login)["token"]
except urllib.error.HTTPError as error:
    sys.exit("nobody is let in as %s with hearth:uiAdminPassword (%d)" % (login["email"], error.code))
everything = ask("/api/v1/configs/export", token=token)
found = {key: everything[key] for key in sys.argv[1:] if key in everything}
found["openai.api_keys"] = everything.get("openai.api_keys") == [secret("OPENAI_API_KEY")]
print(json.dumps(found))
"""


def open_webui(inside: Inside) -> Iterator[Told | Note]:
    """Compare the settings that Hearth declares with those in effect."""
    found = inside.script(_ASK, *sorted(_KEYS.values()))
    is_kept = inside.environment.get("ENABLE_PERSISTENT_CONFIG", "true").lower() != "false"
    wins = Wins.DATABASE if is_kept else Wins.PROGRAM
    repair = "set it back in the admin's page, or ENABLE_PERSISTENT_CONFIG to false" if is_kept else ""
    for variable, key in _KEYS.items():
        wanted, there = inside.environment.get(variable), found.get(key)
        if wanted is not None and key in found and _text(there) != _normal(wanted):
            adopt = f"write {variable} in hearth:ui.environment"
            yield Told(f"setting {variable}", _normal(wanted), _text(there), wins, repair, adopt)
    if not found[_API_KEYS]:
        yield Told("setting OPENAI_API_KEY", "the secret gatewayMasterKey", "another value", wins, repair)


def _normal(wanted: str) -> str:
    return wanted.lower() if wanted.lower() in {"true", "false"} else wanted.rstrip("/")


def _text(there: Any) -> str:
    if isinstance(there, bool):
        return str(there).lower()
    if isinstance(there, list):
        return ";".join(str(one) for one in there)
    return "" if there is None else str(there).rstrip("/")
