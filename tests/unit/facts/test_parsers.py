from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.facts import cards, machine
from infra.facts.script import answers
from tests.unit.facts import printed

MIB = 2**20


def test_an_h100_has_the_memory_that_nvidia_smi_counts() -> None:
    first = cards.nvidia_cards(printed.H100_CSV, "", printed.H100_TOPOLOGY)[0]
    assert (first.model, first.index, first.memory_bytes) == ("NVIDIA H100 80GB HBM3", 0, 81559 * MIB)
    assert (first.driver, first.compute_capability, first.bus) == ("580.82.07", "9.0", "00000000:1B:00.0")
    assert not first.mig_on


def test_cards_behind_a_switch_reach_all_others_by_uuid() -> None:
    seen = cards.nvidia_cards(printed.H100_CSV, "", printed.H100_TOPOLOGY)
    assert seen[2].nvlink == (seen[0].id, seen[1].id, seen[3].id)


def test_bridged_cards_reach_their_partner_and_network_cards_are_no_partners() -> None:
    assert cards.nvlinks(printed.PAIRS_TOPOLOGY) == {0: {1}, 1: {0}, 2: {3}, 3: {2}}


def test_cards_without_nvlink_have_none() -> None:
    assert cards.nvlinks(printed.PCIE_TOPOLOGY) == {}


def test_mig_devices_belong_to_the_card_above_them() -> None:
    split, whole = cards.nvidia_cards(printed.MIG_CSV, printed.MIG_LIST, "")
    assert split.mig_on
    assert split.mig == (
        ("MIG-ce861fb0-a248-58ce-a9a8-000000000001", "1g.20gb"),
        ("MIG-a45882f0-9215-5733-a0c1-000000000002", "1g.10gb+me"),
    )
    assert whole.mig == ()
    assert whole.memory_bytes is None, "[Insufficient Permissions] is no number"


def test_a_failing_nvidia_smi_shows_no_cards() -> None:
    assert cards.nvidia_cards(printed.NO_DRIVER, printed.NO_DRIVER, printed.NO_DRIVER) == ()


def test_rocm_smi_with_a_warning_before_its_json() -> None:
    big, small = cards.rocm_cards(printed.ROCM_SMI)
    assert (big.id, big.model, big.memory_bytes, big.driver) == (
        "GPU-9246abcdef012345",
        "Radeon RX 7900 XT",
        21458059264,
        "6.14.14",
    )
    assert (small.id, small.memory_bytes) == ("1", 64 * MIB), "without a unique id, the index names it"


def test_rocm_smi_with_the_older_spelling() -> None:
    assert [card.model for card in cards.rocm_cards(printed.ROCM_SMI_OLD)] == ["AMD INSTINCT MI200"]


@pytest.mark.parametrize(
    ("text", "id_", "mib", "driver"),
    [(printed.AMD_SMI, "GPU-0000000012345678", 196592, "6.10.5"), (printed.AMD_SMI_7, "0", 196300, "7.0.2")],
)
def test_amd_smi_of_two_generations(text: str, id_: str, mib: int, driver: str) -> None:
    (card,) = cards.amd_cards(text)
    assert (card.id, card.model, card.memory_bytes, card.driver) == (id_, "AMD Instinct MI300X", mib * MIB, driver)


def test_lscpu_with_fields_below_others() -> None:
    seen = machine.processor(printed.LSCPU_NESTED)
    assert (seen.cores, seen.threads_per_core, seen.model) == (112, 2, "Intel(R) Xeon(R) Platinum 8462Y+")
    assert seen.flags == ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "amx_tile")
    assert seen.node_cores == ((0, "0-27,56-83"), (1, "28-55,84-111")), "a node without cores is left out"


def test_lscpu_with_one_list() -> None:
    seen = machine.processor(printed.LSCPU_FLAT)
    assert (seen.cores, seen.node_cores, seen.flags) == (2, ((0, "0,1"),), ("avx2", "avx512f"))


def test_cores_that_are_switched_off_do_not_count() -> None:
    text = '{"lscpu": [{"field": "CPU(s)", "data": 8}, {"field": "On-line CPU(s) list", "data": "0-3,6"}]}'
    assert machine.processor(text).cores == 5


def test_memory_of_the_host_and_of_its_nodes() -> None:
    assert machine.memory_bytes(printed.MEMINFO) == 1056391676 * 1024
    assert machine.node_memory_bytes(printed.NODE_MEMORY) == {0: 527952380 * 1024, 1: 528439296 * 1024}


def test_docker_with_and_without_a_daemon() -> None:
    seen = machine.engine(printed.DOCKER)
    assert seen
    assert (seen.version, seen.cores, seen.has_cdi) == ("28.3.2", 112, True)
    assert seen.gives_by_cdi(["0"])
    assert not seen.gives_by_cdi(["0", "1"])
    assert "nvidia" in seen.runtimes
    assert machine.engine(printed.DOCKER_DOWN) is None


def test_groups_of_devices() -> None:
    assert machine.group_numbers(printed.GROUPS) == (44, 992)
    assert machine.group_numbers("audio:x:29:\nmyvideo:x:5:\nvideo:x:39:\n") == (39,)


def test_df_with_a_space_in_its_directory() -> None:
    seen = machine.file_system(printed.DF_DATA)
    assert seen == machine.FileSystem("/dev/md0", "/data dir", 3840755982336, 987654321000)


def test_a_greeting_before_the_answers_does_no_harm_and_a_broken_connection_shows() -> None:
    whole = answers(printed.GPU_HOST)
    assert whole.is_whole
    assert whole.docker_root == "/data/docker"
    assert whole.text("nvidia-cards").strip() == printed.H100_CSV.strip()
    assert not whole.of("rocm-smi").is_there
    assert not answers(printed.GPU_HOST[:2000]).is_whole


SCRAPS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [line for text in vars(printed).values() if isinstance(text, str) for line in text.splitlines()]
        ),
    ),
    max_size=12,
).map("\n".join)


@given(text=SCRAPS, other=SCRAPS, third=SCRAPS)
def test_no_output_makes_a_parser_raise(text: str, other: str, third: str) -> None:
    cards.nvidia_cards(text, other, third)
    cards.with_render_nodes((*cards.rocm_cards(text), *cards.amd_cards(text)), other)
    for read in (
        machine.processor,
        machine.memory_bytes,
        machine.node_memory_bytes,
        machine.engine,
        machine.file_system,
        machine.group_numbers,
    ):
        read(text)
    answers(text)
