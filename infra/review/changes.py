"""A preview's JSON, read as changes: what happens to which container, volume and network, and which files differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

# What Pulumi prints in the place of a secret, and the mark of one in JSON (pulumi, sdk/go/common/resource/sig).
SECRET: Final = "[secret]"  # noqa: S105 - the word itself
_MARK: Final = "4dabf18193072939515e22adb298388d"
_SECRETS: Final = "/run/secrets/"
_MADE_ANEW: Final = frozenset({"replace", "create-replacement", "delete-replaced"})


@dataclass(frozen=True)
class FileChange:
    """One file inside a container; None: it isn't there before, or after."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """One resource that an update would touch.

    `kind` is the provider's word (Container, Volume, …), `operation` create, update, replace or delete; `properties` are
    the inputs that differ, `secrets` the names of secrets whose values do.
    """

    name: str
    host: str
    kind: str
    operation: str
    service: str = ""
    properties: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    secrets: tuple[str, ...] = ()


def changes_of(preview: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes of a preview, each resource once, in the preview's order."""
    found: dict[str, Change] = {}
    for step in preview.get("steps") or ():
        kind = str(step["urn"]).rpartition("::")[0].rpartition(":")[2]
        if step["op"] in {"same", "read", "refresh"} or not _is_ours(step):
            continue
        found.setdefault(step["urn"], _change(step, kind))
    return tuple(found.values())


def _is_ours(step: Mapping[str, Any]) -> bool:
    return "$docker:" in step["urn"] and "$pulumi:providers:" not in step["urn"]


def _change(step: Mapping[str, Any], kind: str) -> Change:
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    state = new or old
    before, after = old.get("inputs") or {}, new.get("inputs") or {}
    details = tuple(step.get("detailedDiff") or ())
    return Change(
        name=str(step["urn"]).rpartition("::")[2],
        host=str(state.get("provider", "")).rpartition("::docker-")[2].partition("::")[0],
        kind=kind,
        operation="replace" if step["op"] in _MADE_ANEW else str(step["op"]),
        service=_service(state.get("inputs") or {}),
        properties=tuple(sorted({detail.partition("[")[0].partition(".")[0] for detail in details})),
        files=tuple(_files(before, after)) if before else (),
        secrets=tuple(_secrets(details, after)) if before else (),
    )


def _service(inputs: Mapping[str, Any]) -> str:
    labels = inputs.get("labels")
    known = (label for label in labels or () if isinstance(label, Mapping)) if isinstance(labels, list) else ()
    return next((str(label["value"]) for label in known if label.get("label") == "hearth.service"), "")


def _uploads(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return files by path. A list that is a secret whole tells nothing."""
    uploads = inputs.get("uploads")
    if not isinstance(uploads, list):
        return {}
    return {str(one["file"]): _plain(one.get("content")) for one in uploads if isinstance(one, Mapping)}


def _plain(content: Any) -> str:
    return SECRET if isinstance(content, Mapping) and _MARK in content else str(content or "")


def _files(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FileChange]:
    old, new = _uploads(before), _uploads(after)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) and not path.startswith(_SECRETS):
            yield FileChange(path, old.get(path), new.get(path))


def _secrets(details: tuple[str, ...], after: Mapping[str, Any]) -> Iterator[str]:
    paths = list(_uploads(after))
    for detail in details:
        head, _, rest = detail.partition("[")
        number = rest.partition("]")[0]
        if head == "uploads" and number.isdecimal() and int(number) < len(paths):
            path = paths[int(number)]
            if path.startswith(_SECRETS):
                yield path.rpartition("/")[2]
