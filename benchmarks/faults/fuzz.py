"""Every reader of files and answers on inputs that nobody meant: only errors of ours, no hang, no memory without end.

    python benchmarks/faults/fuzz.py [--seconds 20] [--rounds 1] [--only table,oip] [--seed 1] [--corpus benchmarks/faults/corpus]
    uv run --with atheris python benchmarks/faults/fuzz.py --engine atheris --only sidecar --seconds 600

Each reader runs in a process of its own with 2 GiB of memory and 10 s for an input (both of the CPU, so that a busy machine
neither shortens a run nor makes an input look slow), on inputs that are made of valid ones: bits
flipped, pieces cut, doubled, moved and mixed between seeds, numbers put in that are too large, too small or none, values of
JSON replaced by others of another kind, and noise. What is raised and is none of our errors is a finding, and so is an
input that takes longer than 10 s, more memory, ends the process, or makes a library print; it is printed, and kept in ``--corpus`` under the name of
its reader, where later runs begin with it. ``--engine atheris`` lets libFuzzer choose the inputs by what they reach.
``--rounds`` goes through all readers several times, with a seed of its own each, so that a run that is cut short has treated them alike.

Printed, a line a reader: CPU seconds, inputs, how many were read, how many refused by an error of ours, and findings (must be 0).
"""

import argparse
import gc
import hashlib
import importlib
import io
import json
import logging
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))
import torch
from fuzz_readers import Reader, readers

from cfsearch.errors import CfsearchError, cause_of

CORPUS: Final = Path(__file__).parent / "corpus"
_WATCHED: Final = ("cfsearch", "csv", "json", "tomllib", "zipfile", "wave", "PIL", "safetensors")
"""Packages whose branches libFuzzer sees."""
_MEMORY: Final = 2 * 2**30
_PATIENCE_S: Final = 10
_WAIT_S: Final = 300
"""An input that computes nothing may wait as long, by the clock on the wall."""
_ODD: Final = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\n", b",", b'"', b"'", b"[", b"]", b"{", b"}", b"=", b"[[", b"]]"),
    *(b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"99999999999999999999", b"1e-400", b"true", b"null", b"-0.0"),
    *(b"\xe2\x80\xae", b"\xed\xa0\x80", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"1979-05-27", b"\\u0000"),
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (  # Any: values of JSON
    *(None, True, False, 0, -1, 2**63, 2**64, 10**30, 1.5, -0.0, 1e308, "", "a", "\0", "é\u202e", "1", [], {}, [[]], [{}]),
    *([None], {"a": None}, [1, "a"], [[1], [1, 2]], "nan", ["a"] * 3, {"": {}}, [0] * 100),
)  # fmt: skip


def mutants(seeds: tuple[bytes, ...], rng: random.Random) -> Iterator[bytes]:
    """Inputs without end that are made of valid ones.

    Args:
        seeds: valid inputs.
        rng: what is drawn from.
    """
    yield from seeds
    while True:
        content = rng.choice(seeds)
        if rng.random() < 0.4 and (changed := _in_json(content, rng)) is not None:
            yield changed
            continue
        if rng.random() < 0.25:
            content = _in_words(content, rng)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            content = _changed(content, rng, seeds)
        yield content


def _changed(content: bytes, rng: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """One change of bytes."""
    n = len(content)
    a, b = sorted((rng.randint(0, n), rng.randint(0, n)))
    b = min(b, a + rng.choice((1, 2, 4, 16, 256)))
    kind = rng.randrange(8)
    if kind == 0 and n:
        at = rng.randrange(n)
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if kind == 1:
        return content[:a] + content[b:]
    if kind == 2:
        return content[:b] + content[a:b] * rng.choice((1, 2, 50)) + content[b:]
    if kind == 3:
        return content[:a]
    if kind == 4:
        other = rng.choice(seeds)
        at = rng.randint(0, len(other))
        return content[:a] + other[at : at + rng.randint(0, 64)] + content[b:]
    if kind == 5:
        return content[:a] + rng.randbytes(rng.randint(0, 8)) + content[b:]
    return content[:a] + rng.choice(_ODD) + content[b:]


def _in_words(content: bytes, rng: random.Random) -> bytes:
    """A word or a number of a text replaced by an odd one."""
    found = list(re.finditer(rb"[A-Za-z0-9_.+-]+", content))
    if not found:
        return content
    place = rng.choice(found)
    return content[: place.start()] + rng.choice(_ODD) + content[place.end() :]


def _in_json(content: bytes, rng: random.Random) -> bytes | None:
    """A value of JSON replaced by another; None where there is no JSON in it."""
    at = content.find(b"{") if b"{" in content else content.find(b"[")
    try:
        text = content[at:].decode("utf-8", "surrogateescape")
        document, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    places: list[tuple[Any, Any]] = []  # Any: containers of JSON and their keys

    def walk(value: Any) -> None:  # Any: JSON
        inside = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, one in list(inside):
            places.append((value, key))
            walk(one)

    walk(document)
    for _ in range(rng.choice((1, 1, 2))):
        if places:
            where, key = rng.choice(places)
            if isinstance(where, dict) and rng.random() < 0.2:
                where.pop(key, None)
            elif isinstance(where, list) or key in where:
                where[key] = json.loads(json.dumps(rng.choice(_VALUES)))
    changed = json.dumps(document).encode("utf-8", "replace")
    rest = text[end:].encode("utf-8", "surrogateescape")
    if at == 8 and int.from_bytes(content[:8], "little") <= len(content):
        return (
            len(changed).to_bytes(8, "little") + changed + rest
        )  # the header of safetensors says how long it is
    return content[:at] + changed + rest


class Slow(BaseException):
    """An input took too long."""


def _too_long(_: int, __: FrameType | None) -> None:
    raise Slow


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What is printed meanwhile on stdout and stderr, by Python, by its logging or by native code; filled at its end.

    Logging is as in a program that has set none up: warnings and errors go to stderr.
    """
    printed: list[str] = []
    words, handlers = io.StringIO(), logging.root.handlers[:]
    with tempfile.TemporaryFile() as sink, redirect_stdout(words), redirect_stderr(words):
        before = [os.dup(number) for number in (1, 2)]
        logging.root.handlers[:] = []
        for number in (1, 2):
            os.dup2(sink.fileno(), number)
        try:
            yield printed
        finally:
            for number, old in zip((1, 2), before, strict=True):
                os.dup2(old, number)
                os.close(old)
            logging.root.handlers[:] = handlers
            sink.seek(0)
            native = sink.read(4096).decode(errors="replace")
            printed += [text for text in (words.getvalue(), native) if text.strip()]


def tried(reader: Reader, content: bytes, folder: Path) -> tuple[str, str]:
    """What a reader makes of an input: "read", "refused", or a finding, and its last words.

    Args:
        reader: it.
        content: the input.
        folder: for its file.
    """
    with overheard() as printed:
        kind, words = _read(reader, content, folder)
    if printed and kind != "finding":
        return "finding", f"prints {' '.join(' '.join(printed).split())[:100]!r}"
    return kind, words


def _read(reader: Reader, content: bytes, folder: Path) -> tuple[str, str]:
    """As ``tried``, whatever is printed."""
    try:
        reader.read(content, folder)
    except CfsearchError as error:
        text = str(error)
        return ("refused", "") if text and "\n" not in text else ("finding", f"message {text!r}")
    except Slow:
        return "finding", f"took more than {_PATIENCE_S} s of the CPU, or waited {_WAIT_S} s"
    except BaseException as error:  # noqa: BLE001  # what is not ours is what is looked for
        at = traceback.extract_tb(error.__traceback__)[-1]
        ours = [one for one in traceback.extract_tb(error.__traceback__) if "cfsearch" in one.filename]
        where = ours[-1] if ours else at
        return "finding", f"{cause_of(error, most=100)}, at {Path(where.filename).name}:{where.lineno}"
    return "read", ""


def fuzzed(
    reader: Reader, *, seconds: float, seed: int, most: int | None = None, kept: tuple[bytes, ...] = ()
) -> tuple[Counter[str], dict[str, bytes]]:
    """How many inputs ended how, and one input for each place where something was found.

    Args:
        reader: it.
        seconds: of the CPU.
        seed: of the inputs.
        most: inputs at most.
        kept: tried first.
    """
    count: Counter[str] = Counter()
    found: dict[str, bytes] = {}
    rng, end = random.Random(seed), time.process_time() + seconds
    apart = multiprocessing.parent_process() is not None
    if apart:
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, _too_long)
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(place)
        for i, content in enumerate(_all(kept, reader.seeds, rng)):
            if time.process_time() >= end or (most is not None and i >= most + len(kept)):
                break
            if apart:
                last_of(multiprocessing.current_process().pid).write_bytes(content)
                _timed(_PATIENCE_S, _WAIT_S)
            kind, words = tried(reader, content, folder)
            if apart:
                _timed(0, 0)
            count[kind] += 1
            if kind == "finding" and words not in found:
                found[words] = content
    return count, found


def _timed(computed: int, waited: int) -> None:
    """Raise ``Slow`` after so many seconds of the CPU, or on the wall; 0 for never."""
    signal.setitimer(signal.ITIMER_PROF, computed)
    signal.alarm(waited)


def last_of(process: int | None) -> Path:
    """The input that a process tries, or tried when it ended.

    Args:
        process: its number.
    """
    return Path(tempfile.gettempdir()) / f"fuzz-last-{process}"


def _all(kept: tuple[bytes, ...], seeds: tuple[bytes, ...], rng: random.Random) -> Iterator[bytes]:
    yield from kept
    yield from mutants((*seeds, *kept), rng)


def _apart(
    reader: Reader, seconds: float, seed: int, kept: tuple[bytes, ...], out: Any
) -> None:  # Any: an end of a pipe
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY + _held(), _MEMORY + _held()))
    torch.set_num_threads(1)  # the parent's threads of OpenMP are lost in a fork, and waited for without end
    begun = time.process_time()
    count, found = fuzzed(reader, seconds=seconds, seed=seed, kept=kept)
    out.send((time.process_time() - begun, count, found))


def fuzzed_apart(
    reader: Reader, *, seconds: float, seed: int, kept: tuple[bytes, ...] = (), waited: float = 2 * _WAIT_S
) -> tuple[float, Counter[str], dict[str, bytes]]:
    """As ``fuzzed``, in a process of its own; with the seconds of the CPU that it took.

    Args:
        reader: it.
        seconds: of the CPU.
        seed: of the inputs.
        kept: tried first.
        waited: seconds by the clock on the wall after which an input hangs in a library.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_apart, args=(reader, seconds, seed, kept, theirs))
    begun = time.time()
    process.start()
    theirs.close()
    last = last_of(process.pid)
    words, answer = "", (0.0, Counter[str](), dict[str, bytes]())
    try:
        while not words and not ours.poll(1.0):
            since = max(
                begun, last.stat().st_mtime if last.exists() else begun
            )  # an older process's is no input of ours
            if time.time() - since > waited:
                words = f"did not come back from a library in {waited:g} s, where no signal reaches it"
        if not words:
            answer = ours.recv()
    except EOFError:
        process.join(_PATIENCE_S)
        words = f"ended its process (exit {process.exitcode})"
    if words:
        content = last.read_bytes() if last.exists() and last.stat().st_mtime >= begun else b""
        answer = 0.0, Counter(finding=1), {words: content}
    process.kill()
    process.join()
    last.unlink(missing_ok=True)
    return answer


def _held() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def kept_of(name: str, corpus: Path) -> tuple[bytes, ...]:
    """The inputs of the corpus for a reader.

    Args:
        name: of the reader.
        corpus: the folder.
    """
    return tuple(path.read_bytes() for path in sorted((corpus / name.replace(" ", "_")).glob("*")))


def by_atheris(reader: Reader, *, seconds: float) -> None:
    """Fuzz by libFuzzer in this process, until the first finding or the end of the time.

    Args:
        reader: it.
        seconds: how long.
    """
    atheris: Any = importlib.import_module("atheris")  # in no group: it needs a compiler on some machines
    place = Path(tempfile.mkdtemp())
    for i, content in enumerate(reader.seeds):
        (place / f"seed{i}").write_bytes(content)
    folder = Path(tempfile.mkdtemp())

    def one(content: bytes) -> None:
        kind, words = tried(reader, content, folder)
        if kind == "finding":
            raise AssertionError(words)

    for content in reader.seeds:
        tried(reader, content, folder)  # what it imports late is there now
    ours = [
        one
        for one in gc.get_objects()
        if isinstance(one, FunctionType) and str(one.__module__).partition(".")[0] in _WATCHED
    ]
    for function in ours:  # all of torch would take minutes
        atheris.instrument_func(function)
    words = [
        sys.argv[0],
        str(place),
        f"-max_total_time={seconds:.0f}",
        f"-timeout={_PATIENCE_S}",
        "-rss_limit_mb=4096",
    ]
    atheris.Setup(words, one)
    atheris.Fuzz()


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of the CPU, a reader and round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--engine", choices=["mutation", "atheris"], default="mutation")
    chosen = parser.parse_args(words)
    every = readers()
    names = [name for name in every if not chosen.only or name in chosen.only.split(",")]
    if chosen.engine == "atheris":
        by_atheris(every[names[0]], seconds=chosen.seconds)
        return 0
    findings = 0
    print(f"{'reader':<22}{'CPU s':>9}{'inputs':>11}{'read':>11}{'refused':>11}{'findings':>9}")
    for turn, name in product(range(chosen.rounds), names):
        seconds, count, found = fuzzed_apart(
            every[name], seconds=chosen.seconds, seed=chosen.seed + turn, kept=kept_of(name, chosen.corpus)
        )
        total = sum(count.values())
        figures = f"{total:>11,}{count['read']:>11,}{count['refused']:>11,}{len(found):>9}"
        print(f"{name:<22}{seconds:>9.1f}{figures}", flush=True)
        for text, content in found.items():
            findings += 1
            place = chosen.corpus / name.replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            (place / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)
            print(f"    {text}", flush=True)
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
