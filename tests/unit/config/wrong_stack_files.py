"""Wrong stack files, made out of right ones: every value of a wrong type, every key with a slip, and what people mix up."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
NAME = "wrong"
FILE = f"Pulumi.{NAME}.yaml"
Place = tuple[str | int, ...]

# Nearly every key that there is, so that every key is mutated. What takes long to render is declared and off.
RICH = Path(__file__).with_name("rich.stack.yaml").read_text(encoding="utf-8")
# Maps whose keys people choose; a slip in such a key is no mistake by itself.
_FREE = frozenset({"models", "adapters", "hosts", "groups", "args", "environment", "external_labels"})


@dataclass(frozen=True)
class Wrong:
    """One wrong file, and the text that the path of one of its errors must hold."""

    name: str
    content: bytes
    at: str
    beside: dict[str, bytes] = field(default_factory=dict)


def bases() -> dict[str, str]:
    """Return the right files."""
    files = {stack: (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8") for stack in ("dev", "prod", "local")}
    return files | {"rich": RICH}


def all_wrong() -> list[Wrong]:
    """Return every wrong file, always the same and in the same order."""
    made: list[Wrong] = []
    for base, text in bases().items():
        document = yaml.safe_load(text)
        step = 1 if base == "rich" else 12
        made += list(_types(base, document))[::step]
        made += list(_slips(base, document))[::step]
        made += list(_twice(base, document))[:: 4 * step]
    made += _edits(yaml.safe_load(RICH))
    made += _raw()
    return made


def _wrong(name: str, document: Any, at: str) -> Wrong:
    # JSON is YAML too and written much faster, but for numbers that it hasn't.
    text = json.dumps(document)
    if "Infinity" in text or "NaN" in text:
        text = yaml.safe_dump(document, sort_keys=False)
    return Wrong(name, text.encode(), at)


def _places(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, inner in items:
        if not str(key).startswith("pulumi:"):
            yield (*path, key), inner
            yield from _places(inner, (*path, key))


def _last_key(path: Place) -> str:
    return next(part for part in reversed(path) if isinstance(part, str)).removeprefix("hearth:")


def _with(document: Any, path: Place, value: Any) -> Any:
    changed = copy.deepcopy(document)
    owner = changed
    for part in path[:-1]:
        owner = owner[part]
    owner[path[-1]] = value
    return changed


def _types(base: str, document: Any) -> Iterator[Wrong]:
    for path, value in _places(document["config"], ("config",)):
        for number, other in enumerate(_other_types(path, value)):
            name = f"{base}: {'.'.join(map(str, path[1:]))} is {other!r} ({number})"
            yield _wrong(name, _with(document, path, other), _last_key(path))


def _other_types(path: Place, value: Any) -> list[Any]:
    if "args" in path[:-1]:
        return [["x"], {"a": 1}, None]
    if isinstance(value, dict):
        return ["text", 5, ["x"]]
    if isinstance(value, list):
        # A lone name is one host or child, as in Ansible.
        return [{"a": 1}] if "groups" in path else ["text", {"a": 1}]
    if isinstance(value, bool):
        return ["maybe", [1]]
    if isinstance(value, int | float):
        return ["many", True, float("nan")]
    return [["x"]]


def _slips(base: str, document: Any) -> Iterator[Wrong]:
    for path, value in _places(document["config"], ("config",)):
        key = path[-1]
        owner = path[-2] if len(path) > 1 else ""
        if not isinstance(key, str) or str(owner).removeprefix("hearth:") in _FREE:
            continue
        plain = key.removeprefix("hearth:")
        slip = plain[0] + plain[2:] if len(plain) > 3 else f"{plain}x"
        full = f"hearth:{slip}" if key.startswith("hearth:") else slip
        changed = copy.deepcopy(document)
        place = changed
        for part in path[:-1]:
            place = place[part]
        place[full] = value
        del place[key]
        yield _wrong(f"{base}: {'.'.join(map(str, path[1:]))} as {full}", changed, slip)


def _twice(base: str, document: Any) -> Iterator[Wrong]:
    """Each line with a key once more: PyYAML would take the last of them."""
    lines = yaml.safe_dump(document, sort_keys=False).splitlines()
    for number, line in enumerate(lines):
        key, colon, value = line.partition(": ")
        if colon and not key.strip().startswith(("-", "pulumi")) and value not in ("", "|"):
            text = "\n".join([*lines[: number + 1], line, *lines[number + 1 :]])
            yield Wrong(f"{base}: {key.strip()} twice (line {number})", text.encode(), FILE)


_MODEL = ("config", "hearth:models", "coder")
_HOST = ("config", "hearth:inventory", "hosts", "big")


def _values() -> Iterator[tuple[Place, list[Any]]]:
    """Values of the right type that nothing can have."""
    yield (*_MODEL, "memory_fraction"), [0, -1, -0.5, 1.5, 90, "90%", float("-inf"), 1.0000001]
    yield (*_MODEL, "context"), [0, -1, 15, 1.5, "16k"]
    yield (*_MODEL, "replicas"), [0, 33, -1, None, 1.5]
    yield (*_MODEL, "tensor_parallel"), [0, -2, None, "two"]
    yield (*_MODEL, "max_sequences"), [0, -1, 0.5]
    yield (*_MODEL, "kind"), ["chatt", "", "Chat", None]
    yield (*_MODEL, "device"), ["gpu", "CUDA", "", None, "tpu"]
    yield (*_MODEL, "place"), ["nowhere", "Big", "", "big gpus"]
    yield (*_MODEL, "gpus"), [["7"], ["0", "0"], ["0", "1"], [0], [""]]
    yield (*_MODEL, "after"), [["coder"], ["nobody"], ["Coder"], "helper"]
    yield (*_MODEL, "kv_cache"), ["4GB", "4", "-1GiB", "0B", 0, -5, "GiB", "4 gib", "9" * 400 + "GiB", "99999999TiB"]
    yield (*_MODEL, "memory"), ["lots", "8G", float("nan")]
    yield (*_MODEL, "shm"), ["10 GB", -1]
    yield (*_MODEL, "restart"), [{"policy": "sometimes"}, {"policy": False}, {"policy": "never", "restart_sec": 1}]
    yield (*_MODEL, "environment"), [{"A": {"secure": "v1:abc"}}, {"A": None}, {"A": 1}]
    restart = ("config", "hearth:restart")
    for key in ("timeout_stop", "timeout_start", "restart_sec", "watchdog_sec", "start_limit_interval"):
        yield (*restart, key), ["soon", "5 parsecs", "-5s", -1, float("inf"), float("nan"), "9" * 400 + "s", "1e3s"]
    yield (*restart, "start_limit_burst"), [0, -1, "x"]
    yield (
        ("config", "hearth:models", "embedder", "cores"),
        ["3-1", "0-", "a-b", "0..3", "-1", "64", "0-64", "0-99999999", ""],
    )
    for section in ("edge", "gateway", "ui"):
        yield ("config", f"hearth:{section}", "expose"), [0, 70000, 65536, -1, "http", 80.5]
        yield ("config", f"hearth:{section}", "expose_address"), ["localhost", "300.1.1.1", "10.0.0.5:80", ""]
        yield ("config", f"hearth:{section}", "place"), ["nowhere", "Gpus"]
    yield ("config", "hearth:monitoring", "prometheus", "scrape_interval"), ["often", -1, "1.5.5s", None]
    yield from _monitored()
    yield ("config", "hearth:gateway", "retries"), [-1, "x", None]
    yield ("config", "hearth:ui", "default_model"), ["nobody", "embedder", "Coder"]
    yield ("config", "hearth:ui", "embedding_model"), ["nobody", "coder"]
    images = [
        "nginx",
        "nginx:latest",
        "nginx:main",
        "nginx@sha256:12",
        "nginx@",
        "Nginx:1.2",
        "a b:1",
        "https://x/y:1",
        ":1",
        "",
    ]
    yield ("config", "hearth:images", "nginx"), images
    yield ("config", "hearth:target"), ["dokcer", "Docker", "k8s", 5]
    yield ("config", "hearth:imageSource"), ["offical", "build", 5]
    yield ("config", "hearth:extends"), ["nobase", "../dev", 5, ["dev"], "No Stack"]
    yield (*_HOST, "connection"), ["tcp://x", "ssh://", "ssh://a b", "ssh://x:99999", "ssh://x:0", "unix://", "", "big"]
    yield (*_HOST, "cores"), [0, -4, "all"]
    yield (*_HOST, "memory"), ["512 GB", 0]
    twin = {"id": "0", "model": "H100-80GB"}
    yield (*_HOST, "gpus"), [[twin, twin], [{"id": "0"}], [{"model": "H100-80GB"}], ["0"]]
    yield ("config", "hearth:inventory", "groups", "gpus", "hosts"), [["bigg"], ["big", "nobody"]]
    yield ("config", "hearth:inventory", "groups", "all", "children"), [["all"], ["nobody"], ["gpus", "gpsu"]]
    for secret in (
        "gatewayMasterKey",
        "engineKey",
        "uiSecretKey",
        "uiAdminPassword",
        "grafanaAdminPassword",
        "grafanaOidcSecret",
        "slackWebhookUrl",
        "smtpPassword",
        "hfToken",
    ):
        yield ("config", f"hearth:{secret}"), ["sk-in-plain-text-for-everybody", 5, {"secure": "v1:x", "more": 1}]


def _monitored() -> Iterator[tuple[Place, list[Any]]]:
    prometheus, alerts, grafana = (
        ("config", "hearth:monitoring", name) for name in ("prometheus", "alertmanager", "grafana")
    )
    addresses = ["example.com", "ftp://example.com", "https://me:pw@example.com", "https://a b", "https://a:99999", ""]
    yield (*prometheus, "retention_size"), ["20GB", 0, "1MiB"]
    yield (*prometheus, "external_labels"), [{"host": "a"}, {"a-b": "c"}, {"__a": "b"}, {"a": 1}]
    for place in ((*prometheus, "public_url"), (*alerts, "webhook_url"), (*grafana, "public_url")):
        yield place, addresses
    yield (*prometheus, "remote_write"), [[{}], [{"url": "x"}], [{"url": "https://a", "username": "", "token": True}]]
    yield (*alerts, "slack"), [{}, {"channel": "llm"}, {"channel": "#a b"}, {"channel": "#a", "severities": []}]
    yield (*alerts, "email", "to"), ["ops", "ops@", "a@b.example,,c@d.example", ""]
    yield (*alerts, "email", "from"), ["ops", "a@b.example, c@d.example"]
    yield (*alerts, "email", "smarthost"), ["smtp.example.com", ":25", "smtp.example.com:0", "smtp.example.com:smtp"]
    yield (*alerts, "webhook_severities"), [[], ["loud"], ["critical", "none"]]
    yield (*alerts, "repeat_interval"), [0, "1min", "soon"]
    yield (*grafana, "oidc"), [{}, {"client_id": "a"}]
    yield (*grafana, "oidc", "auth_url"), [*addresses, "http://id.example.com"]
    yield (*grafana, "oidc", "scopes"), [[], ["email"], [1]]


def _edits(document: Any) -> Iterator[Wrong]:
    for path, values in _values():
        for value in values:
            name = f"{'.'.join(map(str, path[1:]))} = {str(value)[:40]!r}"
            yield _wrong(name, _with(document, path, value), _last_key(path))
    yield from _contradictions(document)
    yield from _namespaces(document)


def _contradictions(document: Any) -> Iterator[Wrong]:
    models = document["config"]["hearth:models"]
    for name, more, at in (
        ("a CPU engine with gpus", {"device": "cpu"}, "models.coder"),
        ("cores of a CUDA engine", {"cores": "0-3"}, "coder.cores"),
        ("two cards for one", {"gpus": ["0", "1"]}, "coder.gpus"),
        ("one card for two", {"tensor_parallel": 2}, "coder.gpus"),
        ("one card for two replicas", {"replicas": 2}, "coder.gpus"),
        ("more of a card than there is", {"memory_fraction": 0.95}, "models."),
        ("more cards than there are", {"gpus": [], "tensor_parallel": 8}, "models.coder"),
    ):
        yield _wrong(name, _with(document, _MODEL, {**models["coder"], **more}), at)
    for circle in (["coder"], ["coder", "helper"], ["coder", "helper", "wide"]):
        changed = copy.deepcopy(document)
        for model, before in zip(circle, [*circle[1:], circle[0]], strict=True):
            changed["config"]["hearth:models"][model]["after"] = [before]
        yield _wrong(f"a circle of {len(circle)}", changed, "coder.after")
    for groups in (["all"], ["all", "gpus"]):
        changed = copy.deepcopy(document)
        for group, child in zip(groups, [*groups[1:], groups[0]], strict=True):
            changed["config"]["hearth:inventory"]["groups"][group]["children"] = [child]
        yield _wrong(f"a circle of {len(groups)} groups", changed, "all.children")
    for one, two in (("hearth:edge", "hearth:gateway"), ("hearth:ui", "hearth:gateway"), ("hearth:edge", "hearth:ui")):
        changed = copy.deepcopy(document)
        changed["config"][one]["expose"] = changed["config"][two]["expose"] = 8099
        yield _wrong(f"{one} and {two} on one port", changed, "expose")
    for name in ("nginx", "litellm", "open-webui"):
        yield _wrong(
            f"a model named as the {name}", _with(document, ("config", "hearth:models", name), models["wide"]), name
        )
    for name in ("Coder", "my_coder", "-coder", "a" * 41, "coder.v1", "7b", ""):
        spare = {"source": "synthetic", "device": "cpu"}
        yield _wrong(
            f"a model named {name!r}", _with(document, ("config", "hearth:models", name), spare), f"models.{name}"
        )
        yield _wrong(f"a host named {name!r}", _with(document, (*_HOST[:-1], name), {}), f"hosts.{name}")
    yield _wrong(
        "a group named as a host", _with(document, ("config", "hearth:inventory", "groups", "big"), {}), "groups.big"
    )
    yield _wrong(
        "an image for nobody", _with(document, ("config", "hearth:images", "nginks"), "nginx:1.28.0"), "nginks"
    )


def _namespaces(document: Any) -> Iterator[Wrong]:
    for wrong in (
        "heart:models",
        "Hearth:models",
        "hearth.models",
        "hearht:models",
        "hearth:config:models",
        "other:models",
    ):
        changed = copy.deepcopy(document)
        changed["config"][wrong] = changed["config"].pop("hearth:models")
        yield _wrong(f"hearth:models as {wrong}", changed, wrong)
    for wrong in ("confg", "Config", "configs", "hearth:models"):
        yield _wrong(f"{wrong} beside config", {**document, wrong: {}}, wrong)
    yield _wrong(
        "models twice, with and without the namespace", _with(document, ("config", "models"), {}), "hearth:models"
    )


def _raw() -> Iterator[Wrong]:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(12)
    )
    for name, content in {
        "nothing": b"",
        "only a comment": b"# to do\n",
        "a list": b"- config\n",
        "a text": b"config\n",
        "a number": b"5\n",
        "config is null": b"config:\n",
        "config is a text": b"config: everything\n",
        "config is a number": b"config: 5\n",
        "config is a list": b"config: [a]\n",
        "no config": b"encryptionsalt: v1:x\n",
        "a tab": b"config:\n\thearth:target: docker\n",
        "an open bracket": b"config: {hearth:models: {a: [1, 2}}\n",
        "an open quote": b'config:\n  hearth:target: "docker\n',
        "a missing colon": b"config:\n  hearth:target docker\n  hearth:imageSource: built\n",
        "wrong indentation": b"config:\n  hearth:ui:\n    title: x\n   sign_up: true\n",
        "two documents": b"config: {}\n---\nconfig: {}\n",
        "an unknown anchor": b"config: {hearth:models: *nowhere}\n",
        "an unknown tag": b"config: {hearth:target: !!python/object/apply:os.getcwd []}\n",
        "an alias of itself": b"config: &a {hearth:models: *a}\n",
        "aliases of aliases": f"config: {{}}\n{bomb}\n".encode(),
        "aliases of aliases, within": (
            "config:\n  hearth:models:\n" + "\n".join(f"    {line}" for line in bomb.splitlines())
        ).encode(),
        "bytes that are no UTF-8": b"config:\n  hearth:ui: {title: \xff\xfe}\n",
        "Latin-1": "config:\n  hearth:ui: {title: Küche}\n".encode("latin-1"),
        "UTF-16": "config: {}\n".encode("utf-16"),
        "control characters": b"config: {hearth:target: \x07}\n",
        "a thousand brackets": b"config: " + b"[" * 5000 + b"\n",
        "a number without end": b"config: {hearth:ui: {expose: " + b"9" * 9000 + b"}}\n",
        "a list as key": b"config: {[a, b]: c}\n",
        "a map as key": b"config:\n  ? {a: b}\n  : c\n",
        "one key twice": b"config: {hearth:target: docker, hearth:target: docker}\n",
        "config twice": b"config: {}\nconfig: {}\n",
        "a conflict of a merge": b"config:\n<<<<<<< HEAD\n  hearth:target: docker\n=======\n  hearth:target: k8s\n>>>>>>> x\n",
    }.items():
        yield Wrong(name, content, FILE)
    yield Wrong("a number names a model", b"config: {hearth:models: {5: {source: synthetic}}}\n", "hearth:models.5")
    yield Wrong("numbers as keys", b"config: {hearth:monitoring: {1: x, 2: y, z: 3}}\n", "monitoring.1")
    for length in (1, 2, 3):
        names = [NAME, "second", "third"][:length]
        texts = {
            one: f"config: {{hearth:extends: {other}}}\n".encode()
            for one, other in zip(names, [*names[1:], names[0]], strict=True)
        }
        beside = {f"Pulumi.{name}.yaml": text for name, text in texts.items()}
        yield Wrong(f"a circle of {length} extends", texts[NAME], "hearth:extends", beside)
    for name, base in {"broken": b"config: [", "a list": b"- x", "empty": b"", "bytes": b"\xff\xfe"}.items():
        beside = {"Pulumi.base.yaml": base}
        yield Wrong(f"extends a file that is {name}", b"config: {hearth:extends: base}\n", "hearth:extends", beside)
    wrong_base = b"config: {hearth:models: {a: {source: synthetic, device: cpu, contxt: 32}}}\n"
    yield Wrong("a slip in the base", b"config: {hearth:extends: base}\n", "a.contxt", {"Pulumi.base.yaml": wrong_base})
