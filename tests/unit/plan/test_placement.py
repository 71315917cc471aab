from __future__ import annotations

from tests.unit.plan.stacks import BGE, LLAMA_8B, LLAMA_70B, cards, engine, entry, errors, host, planned, where

LARGE = engine(LLAMA_70B, quantization="fp8", tensor_parallel=2)


def test_pinned_cards_are_taken_as_asked() -> None:
    made = planned({"a": engine(place="box", gpus=["3"])}, {"box": host(4)})
    assert where(made) == {"a": ("box", ("3",))}
    assert made.placements[0].cause == "cards as asked"


def test_replicas_take_the_named_cards_in_turn() -> None:
    made = planned({"a": engine(replicas=2, place="box", gpus=["3", "1"])}, {"box": host(4)})
    assert where(made) == {"a-0": ("box", ("3",)), "a-1": ("box", ("1",))}


def test_a_card_that_is_not_there_is_named_with_those_that_are() -> None:
    made = planned({"a": engine(place="box", gpus=["9"])}, {"box": host(2)})
    (finding,) = errors(made)
    assert str(finding) == "hearth:models.a.gpus: box has no card 9. Name one of: 0, 1."
    assert made.placements == ()


def test_an_engine_gives_way_to_one_that_is_pinned_on_its_old_card() -> None:
    models = {"a": engine(memory_fraction=0.6), "b": engine(memory_fraction=0.6, place="box", gpus=["0"])}
    made = planned(models, {"box": host(2)}, previous={"a": ("box", ("0",))})
    assert where(made) == {"a": ("box", ("1",)), "b": ("box", ("0",))}
    assert errors(made) == []


def test_a_place_is_a_host_or_a_group_with_its_children() -> None:
    hosts = {"one": host(), "two": host(), "three": host()}
    groups = {"inner": {"hosts": ["three"]}, "outer": {"children": ["inner"]}}
    models = {"a": engine(place="two"), "b": engine(place="outer")}
    made = planned(models, hosts, groups)
    assert where(made) == {"a": ("two", ("0",)), "b": ("three", ("0",))}


def test_replicas_may_share_a_card_unless_they_are_to_be_spread() -> None:
    fixed = engine(memory_fraction=0.3, replicas=2)
    assert set(where(planned({"a": fixed}, {"box": host(2)})).values()) == {("box", ("0",))}
    spread = planned({"a": {**fixed, "spread": "card"}}, {"box": host(2)})
    assert where(spread) == {"a-0": ("box", ("0",)), "a-1": ("box", ("1",))}


def test_replicas_spread_over_hosts_take_one_each_and_the_third_of_two_is_an_error() -> None:
    hosts = {"one": host(2), "two": host(2)}
    made = planned({"a": engine(memory_fraction=0.3, replicas=3, spread="host")}, hosts)
    assert sorted(where(made).values()) == [("one", ("0",)), ("two", ("0",))]
    (finding,) = errors(made)
    assert "a-2 finds no place" in str(finding)


def test_tensor_parallel_takes_cards_that_are_linked() -> None:
    linked = cards(4, "A100-80GB")
    for index, other in ((1, "3"), (3, "1")):
        linked[index]["nvlink"] = [other]
    made = planned({"a": LARGE}, {"box": {"gpus": linked}})
    assert where(made) == {"a": ("box", ("1", "3"))}
    assert made.placements[0].cause == "emptiest 2 that suit, linked by NVLink"


def test_tensor_parallel_prefers_a_later_host_with_links_to_an_earlier_one_without() -> None:
    made = planned({"a": LARGE}, {"pcie": host(2, "L40S"), "nvlink": host(2)})
    assert where(made) == {"a": ("nvlink", ("0", "1"))}


def test_tensor_parallel_over_pcie_says_so() -> None:
    made = planned({"a": engine(tensor_parallel=2)}, {"box": host(2, "L40S")})
    assert made.placements[0].cause == "emptiest 2 that suit, exchange over PCIe"


def test_tensor_parallel_never_mixes_kinds_of_cards() -> None:
    mixed = {"gpus": [{"id": "0", "model": "H100-80GB"}, {"id": "1", "model": "A100-80GB"}]}
    made = planned({"a": engine(tensor_parallel=2)}, {"box": mixed})
    assert made.placements == ()
    pinned = planned({"a": engine(tensor_parallel=2, place="box", gpus=["0", "1"])}, {"box": mixed})
    assert "different kinds" in str(errors(pinned)[0])


def test_pipeline_stages_and_tensor_ranks_multiply() -> None:
    made = planned({"a": engine(tensor_parallel=2, pipeline_parallel=2)}, {"box": host(4)})
    assert where(made) == {"a": ("box", ("0", "1", "2", "3"))}


def test_slices_of_a_split_card_are_placed_on_like_cards_but_never_joined() -> None:
    parts = [{"id": "MIG-1", "profile": "3g.40gb"}, {"id": "MIG-2", "profile": "3g.40gb"}]
    box = {"gpus": [{"id": "GPU-1", "model": "H100-80GB", "mig": parts}]}
    made = planned({"a": engine(), "b": engine()}, {"box": box})
    assert where(made) == {"a": ("box", ("MIG-1",)), "b": ("box", ("MIG-2",))}
    assert planned({"a": engine(tensor_parallel=2)}, {"box": box}).placements == ()


def test_a_card_that_nobody_knows_needs_its_memory() -> None:
    without = planned({"a": engine()}, {"box": host(1, "Voodoo 3")})
    assert [finding.path for finding in errors(without)] == ["hearth:models.a", "hearth:inventory.hosts.box.gpus"]
    made = planned(
        {"a": engine()}, {"box": host(1, "Voodoo 3")} | {"box": {"gpus": cards(1, "Voodoo 3", memory="40GiB")}}
    )
    assert errors(made) == []
    assert entry(made, "a").spec.card.memory.value == 40 * 2**30


def test_an_unknown_model_gets_a_whole_card_and_a_warning() -> None:
    made = planned({"a": engine("org/unheard-of"), "b": engine()}, {"box": host(2)})
    (finding,) = made.findings
    assert finding.severity == "warning"
    assert "the catalogue has no org/unheard-of" in str(finding)
    assert made.of_model("a")[0].gpus != made.of_model("b")[0].gpus


def test_hosts_without_cards_are_passed_over_and_named_when_there_are_no_others() -> None:
    made = planned({"a": engine()}, {"bare": {}, "box": host()})
    assert where(made) == {"a": ("box", ("0",))}
    (finding,) = errors(planned({"a": engine()}, {"bare": {}}))
    assert "wants 1 card(s), bare has none in the inventory" in str(finding)


def test_a_given_fraction_goes_to_a_card_on_which_it_is_enough() -> None:
    hosts = {"small": host(1, "L40S"), "large": host()}
    made = planned({"a": engine(memory_fraction=0.28)}, hosts)
    assert where(made) == {"a": ("large", ("0",))}
    assert errors(made) == []


def test_a_given_fraction_that_is_nowhere_enough_is_still_in_the_ledger() -> None:
    made = planned({"a": engine(memory_fraction=0.1)}, {"small": host(1, "L40S"), "large": host()})
    assert str(entry(made, "a").verdict) == "no"
    assert "doesn't start" in str(errors(made)[0])


def test_engines_wait_for_every_replica_of_what_they_come_after() -> None:
    made = planned({"a": engine(after=["b"]), "b": engine(replicas=2)}, {"box": host(3)})
    assert made.of_model("a")[0].after[:2] == ("b-0", "b-1")


def test_engines_of_one_card_start_one_after_the_other() -> None:
    models = {name: engine(BGE, kind="embedding", context=512, memory_fraction=0.1) for name in ("a", "b", "c")}
    made = planned(models)
    assert [placement.after for placement in made.placements] == [(), ("a",), ("b",)]


def test_a_parallel_engine_waits_for_the_neighbours_on_all_of_its_cards() -> None:
    models = {
        "a": engine(BGE, kind="embedding", context=512, place="box", gpus=["0"]),
        "b": engine(BGE, kind="embedding", context=512, place="box", gpus=["1"]),
        "c": engine(LLAMA_8B, tensor_parallel=2),
    }
    assert planned(models, {"box": host(2)}).of_model("c")[0].after == ("a", "b")


def test_engines_on_cpu_fill_hosts_by_their_ram() -> None:
    hosts = {"small": {"memory": "4GiB"}, "one": {"memory": "32GiB"}, "two": {"memory": "32GiB"}}
    models = {name: engine(device="cpu", kv_cache="4GiB", dtype="bfloat16") for name in ("a", "b")}
    made = planned(models, hosts)
    assert where(made) == {"a": ("one", ()), "b": ("two", ())}
    assert {placement.cause for placement in made.placements} == {"first host with enough RAM"}


def test_an_engine_on_cpu_that_fits_no_host_is_an_error_with_the_numbers() -> None:
    made = planned({"a": engine(device="cpu", kv_cache="4GiB")}, {"one": {"memory": "4GiB"}, "two": {"memory": "2GiB"}})
    assert made.placements[0].cause == "no host has enough RAM: first of the inventory"
    assert "GiB RAM, the host has 4.00" in str(errors(made)[0])


def test_shared_cores_are_a_warning_that_names_the_other_engine() -> None:
    models = {
        "a": engine(device="cpu", cores="0-3", kv_cache="2GiB"),
        "b": engine(device="cpu", cores="3-6", kv_cache="2GiB"),
    }
    (finding,) = planned(models, {"box": {}}).findings
    assert finding.path == "hearth:models.b.cores"
    assert finding.problem == "shares cores of 3-6 with a"
    assert finding.severity == "warning"
