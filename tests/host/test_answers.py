"""Answers, asked inside containers: no port need be published for that, and no key leaves its file."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest

from infra.config.models import ModelServer
from tests.host.conftest import Declaration, Running, machine

# In LiteLLM's own Python, with the key from the file that it has it from.
ASK = """
import json, sys, urllib.request
path, body = sys.argv[1], sys.argv[2].encode()
key = open("/run/secrets/hearth/LITELLM_MASTER_KEY").read().strip()
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:4000/v1/" + path, body, headers)
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120).status)
"""
SCRAPED_WITHIN_S = 45
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat/completions", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}),
    "embedding": ("embeddings", {"input": "hello"}),
    "score": ("rerank", {"query": "hello", "documents": ["hello", "goodbye"]}),
}


def only(stack: Declaration, service: str) -> Running:
    """Return the one container of a service."""
    for host, site in stack.sites.items():
        for workload in site.workloads:
            if workload.service == service:
                return Running(machine(stack.stack, host), workload.instance, site.containers[workload.instance])
    pytest.skip(f"the stack has no {service}")


def test_the_gateway_answers_for_every_model(model: str, stack: Declaration) -> None:
    served: ModelServer = stack.built.config.models[stack.built.declaration.context.served()[model]]
    path, body = REQUESTS[served.kind]
    gateway = only(stack, "litellm")
    asked = shlex.quote(json.dumps({"model": model, **body}))
    assert gateway.exec(f"python3 -c {shlex.quote(ASK)} {path} {asked}").strip() == "200"


def test_prometheus_reaches_every_target(stack: Declaration) -> None:
    prometheus = only(stack, "prometheus")
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while True:
        told = json.loads(prometheus.exec("wget -qO- http://127.0.0.1:9090/api/v1/targets?state=active"))
        targets = told["data"]["activeTargets"]
        # What was started a moment ago may not have been asked yet.
        down = {one["labels"]["instance"]: one["lastError"] for one in targets if one["health"] != "up"}
        if not down or time.monotonic() > deadline:
            break
        time.sleep(3)
    assert targets
    assert down == {}


def test_hosts_agree_on_the_time(stack: Declaration) -> None:
    if len(stack.sites) == 1:
        pytest.skip("there is one host")
    seconds = [int(machine(stack.stack, host).shell.check_output("date +%s")) for host in stack.sites]
    # Asked one after the other.
    assert max(seconds) - min(seconds) <= 5 + len(seconds)
