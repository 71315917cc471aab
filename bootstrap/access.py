"""The end of `make up`: one request to every kind of model, then where to go and how to log in."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any, Final

from bootstrap import console

_ANSWERS_WITHIN_S: Final = 120
# A company's proxy knows nothing of this machine's own addresses.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_REQUESTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "chat": ("chat/completions", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}),
    "embedding": ("embeddings", {"input": "hello"}),
    "score": ("rerank", {"query": "hello", "documents": ["hello", "goodbye"]}),
}


def prove(outputs: dict[str, Any]) -> None:
    """Ask the first model of each kind through the front door.

    Raises StepError when one of them doesn't answer within two minutes.
    """
    for kind, (path, body) in _REQUESTS.items():
        model = next((model["name"] for model in outputs["models"] if model["kind"] == kind), None)
        if model is None:
            continue
        started = time.monotonic()
        _ask(f"{outputs['gatewayUrl']}/{path}", outputs["masterKey"], {"model": model, **body})
        console.done(
            "answer", f"{model} ({kind}) answered through the front door in {time.monotonic() - started:.1f} s"
        )


def tell(stack: str, outputs: dict[str, Any]) -> None:
    """Print the addresses and the commands that show the passwords, never the passwords."""
    show = f"`pulumi stack output {{}} --show-secrets --stack {stack}`"
    front = outputs["frontDoorUrl"]
    rows = []
    if outputs.get("uiAdminPassword"):
        rows.append(("web UI", f"{front}   log in as {outputs['uiAdminEmail']}"))
        rows.append(("", f"the password: {show.format('uiAdminPassword')}"))
    rows += [("API", outputs["gatewayUrl"]), ("", f"the key: {show.format('masterKey')}")]
    rows += [(name, url) for name, url in sorted(outputs["exposed"].items()) if url != front]
    rows.append(("shell", "`. .hearth/env.sh` makes these commands work"))
    rows += [("note", notice) for notice in outputs["notices"]]
    wide = max(len(name) for name, _ in rows)
    print("\n".join(["", *(f"  {name:<{wide}}  {text}" for name, text in rows), ""]), flush=True)


def _ask(url: str, key: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while True:
        request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)  # noqa: S310 - the front door
        try:
            with _direct.open(request, timeout=_ANSWERS_WITHIN_S):
                return
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.read().decode(errors='replace')[:300]}"
        except OSError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise console.StepError(f"answer: {body['model']} doesn't answer at {url}: {problem}. See `docker logs`.")
        time.sleep(1)
