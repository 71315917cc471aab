from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.config.types import CpuSet, DurationS, ImageRef, SizeBytes, Slug, WebAddress, cores_of, size_text


@pytest.mark.parametrize(("text", "size_bytes"), [("1KiB", 1024), ("4GiB", 4 * 2**30), ("1.5 MiB", 1572864), ("7B", 7)])
def test_sizes(text: str, size_bytes: int) -> None:
    assert TypeAdapter(SizeBytes).validate_python(text) == size_bytes


@pytest.mark.parametrize("text", ["4GB", "GiB", "-1GiB", "4 gib", "0B"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SizeBytes).validate_python(text)


@pytest.mark.parametrize(
    ("text", "duration_s"), [("90s", 90), ("5min", 300), ("1h 30m", 5400), (7, 7), ("250ms", 0.25)]
)
def test_durations(text: str | int, duration_s: float) -> None:
    assert TypeAdapter(DurationS).validate_python(text) == pytest.approx(duration_s)


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "s", "-5s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(DurationS).validate_python(text)


@pytest.mark.parametrize("text", ["a/b:v1.2", "host:5000/a/b:1", "a@sha256:" + "0" * 64])
def test_pinned_images(text: str) -> None:
    assert TypeAdapter(ImageRef).validate_python(text) == text


@pytest.mark.parametrize("text", ["a/b", "a/b:latest", "host:5000/a/b", "a@sha256:12", "a:main"])
def test_floating_images(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ImageRef).validate_python(text)


@pytest.mark.parametrize("text", ["Qwen", "a_b", "-a", "a-", "a" * 41, ""])
def test_names_that_no_host_can_have(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Slug).validate_python(text)


def test_core_sets() -> None:
    assert TypeAdapter(CpuSet).validate_python("0-3,8") == "0-3,8"
    assert cores_of("0-3,8") == {0, 1, 2, 3, 8}
    with pytest.raises(ValidationError):
        TypeAdapter(CpuSet).validate_python("0..3")


def test_sizes_read_well() -> None:
    assert [size_text(size) for size in (17, 2**20, int(4.5 * 2**30))] == ["17 B", "1 MiB", "4.5 GiB"]


@pytest.mark.parametrize("text", ["http://a", "https://a.example/p?q=x@y", "http://[::1]:3000/", "https://a:8443"])
def test_web_addresses(text: str) -> None:
    assert TypeAdapter(WebAddress).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["", "a.example", "ftp://a", "https://", "https://a b", "https://a:99999", "https://a\n"]
)
def test_web_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(WebAddress).validate_python(text)


@pytest.mark.parametrize("text", ["https://me:hidden@a.example", "htp://me:hidden@a", "https://hidden@a.example/p"])
def test_an_address_with_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(WebAddress).validate_python(text)
    assert "hidden" not in str(refused.value.errors(include_url=False, include_input=False))
