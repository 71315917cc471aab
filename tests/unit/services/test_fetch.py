"""Weights are fetched once, in pieces if need be, and never asked for again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.services.assets.fetcher.hub_cache import File, chosen
from infra.services.assets.fetcher.transfer import CODES
from tests.golden_files import ROOT
from tests.unit.services.small_hub import SmallHub, started

WEIGHTS = bytes(range(256)) * 4096
NAME = "org/small"
FILES = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"]}',
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": WEIGHTS[::-1],
    "original/consolidated.00.pth": WEIGHTS,
    "README.md": b"read me",
}
TOKEN = "hf_made_up_token"


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    made = SmallHub()
    server = started(made)
    yield made
    server.shutdown()
    server.server_close()


class Fetcher:
    """Runs the program as a container does, with a cache of its own."""

    def __init__(self, hub: SmallHub, folder: Path) -> None:
        self.hub, self.folder, self.cache = hub, folder, folder / "cache"

    def start(self, *repositories: dict[str, Any], token: str | None = None, **settings: Any) -> subprocess.Popen[str]:
        content = {
            "cache": str(self.cache),
            "host": "gpu-a",
            "spare_bytes": 0,
            "tries": 3,
            "first_wait_s": 0.05,
            "progress_s": 0.2,
            "repositories": [{"id": NAME, "link": "small", **one} for one in repositories or ({},)],
            **settings,
        }
        file = self.folder / f"settings-{len(list(self.folder.iterdir()))}.json"
        file.write_text(json.dumps(content))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "infra/services/assets"),
            "HF_ENDPOINT": self.hub.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **({"HF_TOKEN": token} if token else {}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "fetcher.fetch", str(file)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *repositories: dict[str, Any], token: str | None = None, **settings: Any) -> tuple[int, str]:
        program = self.start(*repositories, token=token, **settings)
        output, _ = program.communicate(timeout=60)
        return program.returncode, output

    @property
    def snapshot(self) -> Path:
        return (self.cache / "hearth/small").resolve()

    def offline(self, revision: str | None = None) -> Path:
        """Ask the client for the snapshot as vLLM does with HF_HUB_OFFLINE=1 (transformers_utils/repo_utils.py)."""
        call = "h.snapshot_download(sys.argv[1], revision=sys.argv[2] or None, local_files_only=True)"
        ask = f"import sys, huggingface_hub as h; print({call})"
        environment = {"PATH": os.environ["PATH"], "HF_HOME": str(self.cache), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", ask, NAME, revision or ""]
        return Path(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip())


@pytest.fixture
def fetcher(hub: SmallHub, tmp_path: Path) -> Fetcher:
    return Fetcher(hub, tmp_path)


def test_an_engine_without_network_finds_what_was_fetched(hub: SmallHub, fetcher: Fetcher) -> None:
    commit = hub.hold(NAME, FILES)
    code, output = fetcher.run()
    assert code == 0, output
    assert f"main of {NAME} is {commit}: 3 files" in output
    snapshot = fetcher.offline()
    assert snapshot.name == commit
    assert {path.name for path in snapshot.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert (snapshot / "model.safetensors").read_bytes() == WEIGHTS
    assert (fetcher.cache / "hearth/small").resolve() == snapshot.resolve()
    assert fetcher.offline(commit) == snapshot


def test_a_second_fetch_loads_nothing(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    fetcher.run()
    hub.served_bytes.clear()
    code, output = fetcher.run()
    assert code == 0
    assert "fetched 0.0 GiB" in output
    assert hub.served_bytes == {}


def test_a_cut_connection_goes_on_where_it_ended(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.cut_after_bytes["model.safetensors"] = 300_000
    code, output = fetcher.run()
    assert code == 0, output
    assert hub.served_bytes["model.safetensors"] == len(WEIGHTS)


def test_a_killed_fetch_is_gone_on_with_by_the_next(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.cut_after_bytes["model.safetensors"] = 500_000
    code, output = fetcher.run(tries=1)
    assert code == CODES["network"]
    assert "the connection ended in model.safetensors" in output
    code, output = fetcher.run()
    assert code == 0, output
    assert hub.served_bytes["model.safetensors"] == len(WEIGHTS)
    assert (fetcher.snapshot / "model.safetensors").read_bytes() == WEIGHTS


def test_a_hub_without_ranges_sends_the_file_again_and_it_is_whole(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.cut_after_bytes["model.safetensors"] = 300_000
    hub.ignores_ranges = True
    code, output = fetcher.run()
    assert code == 0, output
    assert (fetcher.snapshot / "model.safetensors").read_bytes() == WEIGHTS


def test_a_damaged_file_is_fetched_again(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.damages = {"model.safetensors", "config.json"}
    code, output = fetcher.run()
    assert code == 0, output
    assert "model.safetensors arrived damaged" in output
    assert (fetcher.snapshot / "model.safetensors").read_bytes() == WEIGHTS
    assert (fetcher.snapshot / "config.json").read_bytes() == FILES["config.json"]


def test_a_full_disk_is_told_before_anything_is_loaded(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    code, output = fetcher.run(spare_bytes=2**60)
    assert code == CODES["disk"]
    assert "hearth: fetch failed (disk): 0.0010 GiB have to come" in output
    assert "the disk of gpu-a" in output
    assert "GiB free of" in output
    assert hub.served_bytes == {}


def test_what_is_here_needs_no_free_disk(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    fetcher.run()
    assert fetcher.run(spare_bytes=2**60)[0] == 0


def test_a_gated_model_says_what_is_missing(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES, token=TOKEN)
    code, output = fetcher.run({"path": "hearth:models.coder"})
    assert code == CODES["gated"]
    assert "without a token (HTTP 401)" in output
    assert "gated: true for hearth:models.coder, and hearth:hfToken" in output
    assert hub.served_bytes == {}


def test_a_gated_model_is_fetched_with_the_token_which_the_large_files_host_never_sees(
    hub: SmallHub, fetcher: Fetcher
) -> None:
    hub.hold(NAME, FILES, token=TOKEN)
    code, output = fetcher.run(token=TOKEN)
    assert code == 0, output
    assert TOKEN not in output
    assert hub.tokens_at_cdn == []
    assert any("/cdn/" in request for request in hub.requests)


def test_a_wrong_token_is_no_missing_model(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES, token=TOKEN)
    code, output = fetcher.run(token="hf_another")
    assert code == CODES["gated"]
    assert "refuses the token" in output
    assert "hf_another" not in output


def test_what_the_hub_does_not_have_is_told_at_once(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    code, output = fetcher.run({"revision": "v2"})
    assert (code, "has no revision 'v2'" in output) == (CODES["not_found"], True)
    code, output = fetcher.run({"id": "org/smal"})
    assert (code, "the hub has no org/smal" in output) == (CODES["not_found"], True)
    assert "try 2" not in output


def test_two_fetchers_at_once_load_once(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.piece_wait_s = 0.02
    programs = [fetcher.start(), fetcher.start()]
    outputs = [program.communicate(timeout=60)[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0], outputs
    assert hub.served_bytes["model.safetensors"] == len(WEIGHTS)
    assert sum(f"waits: another container loads {NAME}" in output for output in outputs) == 1
    assert any("hearth: fetching 0.00" in output and "MB/s" in output for output in outputs)


def test_a_pinned_commit_that_is_here_is_not_asked_for(hub: SmallHub, fetcher: Fetcher) -> None:
    commit = hub.hold(NAME, FILES)
    fetcher.run({"revision": commit})
    hub.requests.clear()
    code, _ = fetcher.run({"revision": commit})
    assert (code, hub.requests) == (0, [])


def test_a_pinned_commit_with_a_file_gone_is_mended(hub: SmallHub, fetcher: Fetcher) -> None:
    commit = hub.hold(NAME, FILES)
    fetcher.run({"revision": commit})
    (fetcher.cache / "hearth/small/model.safetensors").resolve().unlink()
    code, output = fetcher.run({"revision": commit})
    assert code == 0, output
    assert (fetcher.offline(commit) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_branch_is_served_from_the_cache_while_the_hub_is_away(hub: SmallHub, fetcher: Fetcher) -> None:
    commit = hub.hold(NAME, FILES)
    fetcher.run()
    hub.is_down = True
    code, output = fetcher.run()
    assert code == 0
    assert f"warning: {NAME}" in output
    assert f"{NAME} at {commit[:12]} (main) of the cache serves" in output


def test_a_cache_that_something_else_filled_serves_too_but_not_with_a_shard_missing(
    hub: SmallHub, fetcher: Fetcher
) -> None:
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode()
    files = {"config.json": b"{}", "model-1.safetensors": WEIGHTS, "model.safetensors.index.json": index}
    hub.hold(NAME, {**files, "model-2.safetensors": WEIGHTS[1:]})
    fetcher.run()
    (fetcher.cache / "hearth/small.json").unlink()
    hub.is_down = True
    assert fetcher.run()[0] == 0
    (fetcher.cache / "hearth/small.json").unlink()
    (fetcher.snapshot / "model-2.safetensors").unlink()
    assert fetcher.run()[0] == CODES["network"]


def test_without_hub_and_cache_it_ends_after_its_tries(hub: SmallHub, fetcher: Fetcher) -> None:
    hub.hold(NAME, FILES)
    hub.is_down = True
    code, output = fetcher.run()
    assert code == CODES["network"]
    assert "try 3 of 3" in output
    assert len(hub.requests) == 3


def test_a_branch_moves_only_when_all_of_its_new_commit_is_here(hub: SmallHub, fetcher: Fetcher) -> None:
    old = hub.hold(NAME, FILES)
    fetcher.run()
    new = hub.hold(NAME, {**FILES, "model.safetensors": WEIGHTS[1:] + b"."})
    hub.cut_after_bytes["model.safetensors"] = 1000
    assert fetcher.run(tries=1)[0] == CODES["network"]
    assert fetcher.snapshot.name == fetcher.offline().name == old
    assert fetcher.run()[0] == 0
    assert fetcher.snapshot.name == fetcher.offline().name == new


def test_an_adapter_of_too_large_a_rank_is_told_before_the_engine_starts(hub: SmallHub, fetcher: Fetcher) -> None:
    files = {"adapter_config.json": b'{"r": 64}', "adapter_model.safetensors": WEIGHTS}
    hub.hold("org/sql", files)
    adapter = {"id": "org/sql", "link": "sql", "path": "hearth:models.coder.adapters.sql", "rank": 16}
    code, output = fetcher.run(adapter)
    assert code == CODES["adapter"]
    assert "has rank 64, the engine takes at most 16. Set hearth:models.coder.adapters.sql.rank: 64." in output
    assert fetcher.run({**adapter, "rank": 64})[0] == 0
    hub.hold(NAME, FILES)
    assert "is no LoRA adapter" in fetcher.run({"rank": 64})[1]


def test_settings_of_another_shape_are_an_error_of_their_own(fetcher: Fetcher) -> None:
    code, output = fetcher.run({"speed": 3})
    assert code == CODES["settings"]
    assert "hearth: fetch failed (settings)" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("weights", "there", "taken"),
    [
        ("auto", ["a.safetensors", "a.bin"], ["a.safetensors"]),
        ("auto", ["pytorch_model.bin", "training_args.bin", "x.pt"], ["pytorch_model.bin"]),
        ("auto", ["model.pt"], ["model.pt"]),
        ("auto", ["consolidated.safetensors", "model.safetensors"], ["model.safetensors"]),
        ("auto", ["consolidated.safetensors", "model.safetensors", "params.json"], ["consolidated.safetensors", "params.json"]),
        ("auto", ["consolidated.safetensors"], ["consolidated.safetensors"]),
        ("auto", ["2_Dense/model.safetensors", "1_Pooling/config.json"], ["2_Dense/model.safetensors", "1_Pooling/config.json"]),
        ("auto", ["metal/model.bin", "original/model.safetensors", "m.safetensors"], ["m.safetensors"]),
        ("none", ["tokenizer.json", "merges.txt", "tokenizer.model", "m.safetensors"], ["tokenizer.json", "merges.txt", "tokenizer.model"]),
        ("*-Q4_K_M.gguf", ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json"], ["m-Q4_K_M.gguf", "config.json"]),
    ],
)  # fmt: skip
def test_one_format_of_the_weights_is_taken(weights: str, there: list[str], taken: list[str]) -> None:
    files = [File(path, 1) for path in there]
    assert {file.path for file in chosen(files, weights)} == set(taken)
