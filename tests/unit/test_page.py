from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from infra.config.load import Written, load, read_stack_file
from infra.config.schema import StackConfig
from infra.page import page
from infra.plan import Plan, make_plan

ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "hr", "link", "img", "input"}
HOSTILE = '<script>alert("x")</script>&amp;\' onload=evil'


class Reader(HTMLParser):
    """Reads a page as strictly as XML: every element closed by its own tag, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.widths: list[list[float]] = [[]]
        self.sums: list[float] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        width = re.search(r"(?:^|;)width:([\d.]+)%", given.get("style", ""))
        # Bands and needs lie over the parts of a bar, the parts lie side by side.
        if width and tag not in {"u", "q"}:
            self.widths[-1].append(float(width[1]))
        if tag not in VOID:
            self.open.append(tag)
            self.widths.append([])

    def handle_endtag(self, tag: str) -> None:
        self.sums.append(sum(self.widths.pop()))
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def with_class(self, name: str) -> list[dict[str, str]]:
        return [given for _, given in self.tags if name in given.get("class", "").split()]


def planned(hosts: dict[str, Any], models: dict[str, Any]) -> Plan:
    config = StackConfig.model_validate({"models": models, "inventory": {"hosts": hosts}})
    return make_plan(config, "hearth", "test", root=ROOT)


def gpus(*names: str, **more: Any) -> dict[str, Any]:
    return {"gpus": [{"id": name, "model": "H100-80GB"} for name in names], **more}


def engine(source: str = "Qwen/Qwen3-8B", **more: Any) -> dict[str, Any]:
    return {"source": source, "context": 8192, **more}


def from_file(name: str, tmp_path: Path) -> Plan:
    """Plan a stack file of the repository as `python -m infra plan` does."""
    (tmp_path / "Pulumi.case.yaml").write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    written, _ = read_stack_file(tmp_path, "case")
    assert isinstance(written, Written)
    config = load(written).config
    assert config is not None
    return make_plan(config, "hearth", "case", root=ROOT)


STACKS = ["docs/pictures/ledger.stack.yaml", "Pulumi.prod.yaml", "Pulumi.local.yaml", "Pulumi.dev.yaml"]


@pytest.fixture(scope="module", params=STACKS)
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return from_file(request.param, tmp_path_factory.mktemp("stack"))


def test_every_tag_is_closed_in_order(plan: Plan) -> None:
    read = Reader(page(plan))
    assert not read.wrong
    assert not read.open


def test_every_engine_card_host_and_finding_is_there(plan: Plan) -> None:
    read = Reader(page(plan))
    for name, entry in plan.entries.items():
        assert f" {name} {entry.spec.checkpoint.name}" in read.words
        for reason in entry.reasons:
            assert " ".join(reason.split()) in read.words
    titles = [given.get("title", "") for _, given in read.tags]
    for row in plan.cards:
        assert row.slot.id in read.words or row.slot.id in titles
    assert all(row.name in read.words for row in plan.hosts)
    assert all(one.path in read.words and one.problem in read.words for one in plan.findings)
    assert all(placement.cause in read.words for placement in plan.placements)


def test_a_used_card_has_one_bar(plan: Plan) -> None:
    bars = Reader(page(plan)).with_class("bar")
    cards = [bar for bar in bars if not bar["aria-label"].startswith("RAM")]
    assert len(cards) == sum(1 for row in plan.cards if row.entries)


def test_parts_side_by_side_never_outgrow_their_bar(plan: Plan) -> None:
    sums = [total for total in Reader(page(plan)).sums if total]
    assert sums
    assert max(sums) <= 100.0 + 1e-6
    # Rounded down by at most a hundredth each, the parts still fill it.
    assert all(total > 99.8 for total in sums if total > 99.0)


def test_the_same_plan_gives_the_same_page(plan: Plan) -> None:
    assert page(plan) == page(plan)


def test_nothing_is_loaded_from_elsewhere(plan: Plan) -> None:
    text = page(plan)
    read = Reader(text)
    assert not [tag for tag, _ in read.tags if tag in {"script", "link", "img", "iframe", "object"}]
    assert not [given for _, given in read.tags if {"src", "href"} & set(given)]
    assert "url(" not in text
    assert "@import" not in text


def test_a_verdict_is_a_sign_and_a_word() -> None:
    text = page(planned({"box": gpus("0")}, {"a": engine(gpus=["0"], memory_fraction=0.05)}))
    assert '<span class="v no"><b>✗</b> no</span>' in text
    assert "what helps" in text


def test_an_override_is_shown_beside_the_verdict() -> None:
    models = {"a": engine(gpus=["0"], memory_fraction=0.05, override="measured: it does start")}
    read = Reader(page(planned({"box": gpus("0")}, models)))
    assert read.with_class("over")
    assert "overruled measured: it does start" in read.words


def test_no_name_becomes_markup() -> None:
    models = {
        "bad": engine(f"acme/{HOSTILE}", gpus=[HOSTILE], memory_fraction=0.4, override=HOSTILE),
        "cpu": engine(f"acme/{HOSTILE}", device="cpu", kv_cache="1GiB"),
        "no": engine(gpus=["1"], memory_fraction=0.05, override=HOSTILE),
    }
    made = planned({"box": gpus(HOSTILE, "1", f"empty {HOSTILE}")}, models)
    made = replace(made, stack=HOSTILE, project=HOSTILE, vllm_version=HOSTILE)
    made = replace(made, findings=tuple(replace(one, path=HOSTILE, fix=HOSTILE) for one in made.findings))
    text = page(made)
    read = Reader(text)
    assert not read.wrong
    assert "script" not in {tag for tag, _ in read.tags}
    assert not [given for _, given in read.tags if "onload" in given]
    assert "<script" not in text
    assert escape(HOSTILE) in text
    # The parser gives back what was written: in the title, in findings, in reasons, overrides and ids.
    assert read.words.count(HOSTILE) > 8


def test_an_alike_card_stands_under_the_first_and_is_explained_once() -> None:
    models = {"a": engine("Qwen/Qwen3-32B", gpus=["0", "1"], tensor_parallel=2, memory_fraction=0.9)}
    read = Reader(page(planned({"box": gpus("0", "1")}, models)))
    assert len(read.with_class("bar")) == 2
    assert len(read.with_class("thin")) == 1
    assert len([tag for tag, _ in read.tags if tag == "table"]) == 1


def test_an_engine_on_unlike_cards_is_explained_once() -> None:
    models = {
        "a": engine("Qwen/Qwen3-32B", gpus=["0", "1"], tensor_parallel=2, memory_fraction=0.6),
        "b": engine(gpus=["1"], memory_fraction=0.3),
    }
    read = Reader(page(planned({"box": gpus("0", "1")}, models)))
    assert len([tag for tag, _ in read.tags if tag == "table"]) == 2
    assert read.words.count("explained at card 0") == 1


def test_empty_cards_take_one_line_per_kind() -> None:
    read = Reader(page(planned({"box": gpus("0", "1", "2")}, {"a": engine(gpus=["0"])})))
    assert "empty 2 cards · H100-80GB" in read.words
    assert read.words.count("empty ") == 1


def test_a_card_that_is_asked_for_too_much_says_where_it_ends() -> None:
    made = planned({"box": gpus("0")}, {"a": engine(gpus=["0"], memory_fraction=0.9)})
    (row,) = made.cards
    twice = replace(row, entries=(*row.entries, *row.entries))
    text = page(replace(made, cards=(twice,)))
    assert "the card ends here" in text
    assert max(Reader(text).sums) <= 100.0


def test_a_card_of_unknown_memory_has_no_bar() -> None:
    made = planned({"box": {"gpus": [{"id": "0", "model": "Abacus 9"}]}}, {"a": engine(gpus=["0"])})
    assert "nobody knows how much memory" in page(made)


def test_thousands_of_cards_stay_a_page_that_opens() -> None:
    hosts = 500
    names = ["0", "1", "2", "3"]
    models = {f"m{name}": engine(gpus=[name], memory_fraction=0.9, max_sequences=64) for name in names}
    one = planned({"box": gpus(*names, memory="512GiB")}, models)
    cards, placements, rows = [], [], []
    for number in range(hosts):
        host = f"box-{number}"
        rows += [replace(row, name=host) for row in one.hosts]
        for row in one.cards:
            mine = tuple(replace(entry, instance=f"{entry.instance}-{number}") for entry in row.entries)
            cards.append(replace(row, slot=replace(row.slot, host=host), entries=mine))
        placements += [replace(place, host=host, instance=f"{place.instance}-{number}") for place in one.placements]
    many = replace(one, cards=tuple(cards), hosts=tuple(rows), placements=tuple(placements))
    text = page(many)
    read = Reader(text)
    assert not read.wrong
    assert len([given for given in read.with_class("bar") if "asks for" in given["aria-label"]]) == 2000
    assert len(text.encode()) < 4_200_000
    # Hosts without trouble are closed, and everything of them is there.
    assert not [given for given in read.with_class("host") if "open" in given]
    words = set(read.words.split())
    assert all(f"m3-{number}" in words for number in range(hosts))
