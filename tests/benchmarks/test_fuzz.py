"""Fuzzing of the readers: every seed is read, the corpus and a few thousand mutants bring no foreign exception."""

import logging
import os
import random
import signal
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.errors import DataError

FAULTS = Path(__file__).parents[2] / "benchmarks" / "faults"
if not FAULTS.is_dir():
    pytest.skip("the benchmarks are not in a wheel", allow_module_level=True)
sys.path.insert(0, str(FAULTS))
FUZZ: Any = import_module("fuzz")  # Any: from the folder above, which mypy does not see
READERS: Any = import_module("fuzz_readers")
NAMES = (
    *(
        "settings",
        "sidecar",
        "schema",
        "gates",
        "table",
        "attributes",
        "texts",
        "pictures",
        "compressed pictures",
        "sound",
        "onnx",
        "weights",
    ),
    *(
        "surrogate",
        "statement",
        "theirs.csv",
        "theirs",
        "oip",
        "oip described",
        "tfserving",
        "tfserving described",
        "mlflow",
    ),
    *("huggingface", "torchserve", "template"),
    *("kept effects", "kept groups", "kept contributions", "kept columns", "kept shared"),
    *(
        "croissant",
        "checksums",
        "events",
        "key",
        "cache",
        "recordings",
        "address",
        "published settings",
        "json",
    ),
)


@pytest.fixture(scope="module")
def readers() -> Any:  # Any: as above
    return READERS.readers(runs=False)


def test_every_reader_has_a_name_here(readers: Any) -> None:
    assert tuple(readers) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_f90_no_input_raises_what_is_not_ours(name: str, readers: Any, tmp_path: Path) -> None:
    reader = readers[name]
    for i, seed in enumerate(reader.seeds):
        assert FUZZ.tried(reader, seed, tmp_path) == ("read", ""), f"seed {i} is no valid input"
    kept = FUZZ.kept_of(name, FUZZ.CORPUS)
    count, found = FUZZ.fuzzed(reader, seconds=30.0, seed=11, most=60, kept=kept)
    assert found == {}
    assert sum(count.values()) == 60 + len(kept)
    assert count["refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "store", "audit.json", "front"])
def test_f90_for_half_a_minute(name: str) -> None:
    _, found = FUZZ.fuzzed(READERS.readers()[name], seconds=30.0, seed=random.randrange(2**32))
    assert found == {}


def test_a_fault_is_found_and_named(tmp_path: Path) -> None:
    def read(content: bytes, _: Path) -> object:
        if b"9999" in content:
            return [][int(content[:1] == b"x")]
        raise DataError("refused. Do otherwise.")

    count, found = FUZZ.fuzzed(READERS.Reader(read, (b"a = 1, b = 2",)), seconds=20.0, seed=1, most=2000)
    assert count["finding"] > 0
    assert count["refused"] > count["finding"]
    assert all(text.startswith("IndexError: ") for text in found)
    assert FUZZ.tried(READERS.Reader(lambda *_: 1 / 0, (b"",)), b"", tmp_path)[1].startswith(
        "ZeroDivisionError"
    )


@pytest.mark.parametrize("way", ["print", "logging", "native"])
def test_what_a_library_prints_is_a_fault(way: str, tmp_path: Path) -> None:
    def read(*_: object) -> None:
        if way == "print":
            print("odd", file=sys.stderr)
        elif way == "logging":
            logging.getLogger("a.stranger").error("odd")
        else:
            os.write(2, b"odd")

    assert FUZZ.tried(READERS.Reader(read, (b"",)), b"", tmp_path) == ("finding", "prints 'odd'")
    assert FUZZ.tried(READERS.Reader(lambda *_: None, (b"",)), b"", tmp_path) == ("read", "")


def test_a_reader_computes_in_a_process_of_its_own_after_this_one_used_threads() -> None:
    def read(*_: object) -> float:
        return float(torch.ones(2_000_000).exp().sum())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    read()
    try:
        _, count, found = FUZZ.fuzzed_apart(READERS.Reader(read, (b"a",)), seconds=0.05, seed=1, waited=60.0)
    finally:
        torch.set_num_threads(before)
    assert found == {}
    assert count["read"] > 0


def test_what_ends_its_process_and_what_hangs_in_a_library_have_words_of_their_own() -> None:
    ends = READERS.Reader(lambda *_: os._exit(7), (b"ends",))
    _, _, found = FUZZ.fuzzed_apart(ends, seconds=1.0, seed=1)
    assert found == {"ended its process (exit 7)": b"ends"}

    def waits(*_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGPROF})
        signal.sigwait({signal.SIGUSR1})

    _, _, found = FUZZ.fuzzed_apart(READERS.Reader(waits, (b"waits",)), seconds=1.0, seed=1, waited=0.5)
    assert found == {"did not come back from a library in 0.5 s, where no signal reaches it": b"waits"}


def test_mutants_are_the_same_for_a_seed_and_mostly_new() -> None:
    seeds = (b'{"a": [1, 2], "b": "c"}', b"x = 3\n")
    drawn = [list(islice(FUZZ.mutants(seeds, random.Random(5)), 300)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0][:2] == list(seeds)
    assert len(set(drawn[0])) > 200
