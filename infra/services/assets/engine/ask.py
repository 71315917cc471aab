"""One real answer: an engine serves when it has generated something, not when a port is open."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from typing import Any

from .lines import mask
from .watch import NO_ANSWER, answers, read

_SHORT = 300
_PERIOD_S = 1.0


class UnansweredError(Exception):
    """The engine answered with an error, or not at all; the text says what."""


class FirstAnswer(threading.Thread):
    """Asks a starting engine until it answers; a request may take minutes, and signals mustn't wait for it."""

    def __init__(self, port: int, model: str, kind: str, timeout_s: float) -> None:
        super().__init__(daemon=True, name="first answer")
        self._question = (port, model, kind, timeout_s)
        self._ended = threading.Event()
        self.is_warming = False
        self.is_there = False
        self.said = ""

    def run(self) -> None:
        """Ask until there is an answer, or until `end` is called."""
        while not self._ended.wait(_PERIOD_S):
            if not answers(self._question[0]):
                continue
            self.is_warming = True
            try:
                ask(*self._question)
            except UnansweredError as error:
                self.said = str(error)
            else:
                self.is_there = True
                return

    def end(self) -> None:
        """Stop asking."""
        self._ended.set()


def ask(port: int, model: str, kind: str, timeout_s: float) -> None:
    """Ask for one token, one vector or one score; raises UnansweredError when there is none.

    A model without a chat template can't chat (vLLM answers 400), but completes text.
    """
    if kind == "embedding":
        _post(port, "/v1/embeddings", {"model": model, "input": "ready?"}, timeout_s)
        return
    if kind == "score":
        _post(port, "/v1/score", {"model": model, "text_1": "ready?", "text_2": "yes"}, timeout_s)
        return
    chat = {"model": model, "messages": [{"role": "user", "content": "ready?"}], "max_tokens": 1}
    try:
        _post(port, "/v1/chat/completions", chat, timeout_s)
    except UnansweredError as error:
        if "chat template" not in str(error).lower():
            raise
        _post(port, "/v1/completions", {"model": model, "prompt": "ready?", "max_tokens": 1}, timeout_s)


def _post(port: int, path: str, body: dict[str, Any], timeout_s: float) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('VLLM_API_KEY', '')}"}
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        answer = json.loads(read(request, timeout_s))
    except NO_ANSWER as error:
        raise UnansweredError(mask(_said(path, error))) from None
    if not isinstance(answer, dict) or not (answer.get("choices") or answer.get("data")):
        raise UnansweredError(f"{path} answers without a result")


def _said(path: str, error: Exception) -> str:
    if not isinstance(error, urllib.error.HTTPError):
        return f"{path} doesn't answer: {error}"
    try:
        body = error.read().decode(errors="replace")
    except NO_ANSWER:
        body = error.reason
    return f"{path} answers {error.code}: {body}"[:_SHORT]
