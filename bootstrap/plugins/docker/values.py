"""Values as the engine sends them: plain data, with marks for secrets and for what is not known yet.

On the wire a secret is an object with a signature key and an unknown value is a fixed string; both are fixed by Pulumi's RPC protocol.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .stubs import Struct, Value

Properties = dict[str, Any]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's mark of a secret, no secret itself
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """The type of UNKNOWN."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()
"""A value that only the update itself will tell; seen in previews."""


@dataclass(frozen=True)
class Secret:
    """A value that must never be shown or stored in plain; its repr hides it, so that no message can leak it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


def decode(struct: Struct) -> Properties:
    """Properties of a request; whole numbers become int, nulls are left out."""
    return {key: value for key, raw in struct.fields.items() if (value := _decode(raw)) is not None}


def _decode(raw: Value) -> Any:
    kind = raw.WhichOneof("kind") or "null_value"
    return _DECODERS[kind](getattr(raw, kind))


def _decode_object(struct: Struct) -> Any:
    if _SIGNATURE not in struct.fields:
        return decode(struct)
    if struct.fields[_SIGNATURE].string_value == _SECRET:
        return Secret(_decode(struct.fields["value"]))
    raise ValueError("an asset, archive or resource reference where plain data was expected")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "null_value": lambda _: None,
    "bool_value": bool,
    "string_value": lambda text: UNKNOWN if text == _UNKNOWN else text,
    "number_value": lambda number: int(number) if number.is_integer() else number,
    "list_value": lambda items: [_decode(item) for item in items.values],
    "struct_value": _decode_object,
}


def encode(properties: Properties) -> Struct:
    """Properties for an answer."""
    return Struct(fields={key: _encode(value) for key, value in properties.items() if value is not None})


def _encode(value: Any) -> Value:
    return _ENCODERS[type(value)](value)


def _encode_list(items: list[Any]) -> Value:
    encoded = Value()
    encoded.list_value.values.extend(_encode(item) for item in items)
    return encoded


def _encode_secret(secret: Secret) -> Value:
    fields = {_SIGNATURE: Value(string_value=_SECRET), "value": _encode(secret.value)}
    return Value(struct_value=Struct(fields=fields))


_ENCODERS: dict[type, Callable[[Any], Value]] = {
    type(None): lambda _: Value(null_value=0),
    bool: lambda flag: Value(bool_value=flag),
    int: lambda number: Value(number_value=number),
    float: lambda number: Value(number_value=number),
    str: lambda text: Value(string_value=text),
    list: _encode_list,
    dict: lambda fields: Value(struct_value=encode(fields)),
    Secret: _encode_secret,
    Unknown: lambda _: Value(string_value=_UNKNOWN),
}


def plain(value: Any) -> Any:
    """The value without its marks of secrecy."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)


def has_secret(value: Any) -> bool:
    """Whether any part of the value is marked secret."""
    if isinstance(value, dict):
        return any(map(has_secret, value.values()))
    if isinstance(value, list):
        return any(map(has_secret, value))
    return isinstance(value, Secret)


def without_secrets(text: str, sent: Any) -> str:
    """The text without anything that is marked secret in `sent`.

    A container may print its secret in pieces: the value of an environment entry, or a line of a file, so these go as well.
    """
    pieces: set[str] = set()
    for whole in _secret_texts(sent, inside=False):
        pieces |= {whole, whole.partition("=")[2], *whole.splitlines()}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _TELLING:
            text = text.replace(piece, "[secret]")
    return text


_TELLING = 4
"""Shorter pieces of secrets are part of any text."""


def _secret_texts(value: Any, *, inside: bool) -> set[str]:
    if isinstance(value, Secret):
        return _secret_texts(value.value, inside=True)
    if isinstance(value, dict):
        return set().union(*(_secret_texts(item, inside=inside) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_secret_texts(item, inside=inside) for item in value))
    return {value} if inside and isinstance(value, str) else set()


def from_text(value: Any) -> Any:
    """A provider's setting, which the engine may pass as JSON inside a text."""
    if isinstance(value, Secret):
        return from_text(value.value)
    if isinstance(value, str) and (value[:1] in {"[", "{"} or value in {"true", "false"}):
        return json.loads(value)
    return value
