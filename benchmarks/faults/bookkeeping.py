"""What the checksums of a run and the ledger of a served model cost: whole audits with them and without them, turn about.

``isolation.py`` prints it beside the cost of isolation. Without checksums every SHA-256 of a row, a front and a file is one
constant; without the ledger its counts are not kept. Both take so little that the noise of a busy machine hides them in a ratio,
so the seconds of the CPU inside them are added up as well, and printed as a share of all others.
"""

import multiprocessing
import multiprocessing.connection
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.providers.served.ledger import Ledger
from cfsearch.runs import checksums, directory, guard, record, salvage, store
from cfsearch.runs.directory import RunDirectory
from cfsearch.testing.loopback import Reply, Seen, json_reply, serving

CONSTANT: Final = "0" * 64
_HASHING: Final = (checksums, directory, guard, record, salvage, store)
_HASHES: Final = ("digest", "file_digest")
_COUNTING: Final = ("tried", "received", "failed", "answered", "refuse")
Way = Callable[[], Any]  # Any: a context manager, which replaces functions while it is open


class Inside:
    """Seconds of the CPU inside some functions."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever it takes
        """The same function, timed.

        Args:
            function: which.
        """

        def timed(*args: Any, **more: Any) -> Any:
            begin = time.thread_time()
            try:
                return function(*args, **more)
            finally:
                self.seconds += time.thread_time() - begin
                self.calls += 1

        return timed


@contextmanager
def hashing(change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Every checksum of a run made by another function meanwhile.

    Args:
        change: makes it from the one that there is.
    """
    with ExitStack() as stack:
        for module in _HASHING:
            for name in _HASHES:
                if name in vars(module):
                    stack.enter_context(patch.object(module, name, change(vars(module)[name])))
        yield


@contextmanager
def counting(change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Every count of a ledger kept by another function meanwhile.

    Args:
        change: makes it from the one that there is.
    """
    with ExitStack() as stack:
        for name in _COUNTING:
            stack.enter_context(patch.object(Ledger, name, change(vars(Ledger)[name])))
        yield


def compare(
    what: str,
    values: dict[str, Any],
    *,
    rounds: int,
    way: Callable[[Callable[..., Any]], Any],
    nothing: Callable[..., Any],
) -> None:
    """Print one line: CPU with it over CPU without it, the share inside it, how often, and whether fronts are the same.

    Args:
        what: the line's name.
        values: settings of the audit.
        rounds: audits each.
        way: replaces the functions meanwhile.
        nothing: what stands for them without it.
    """
    config = Config.check(values)
    ratios, shares, least, calls, same = [], [], [], 0, True
    audited(config)  # warm
    for turn in range(rounds):
        spent, fronts = {}, {}
        for on in (True, False) if turn % 2 else (False, True):
            with way((lambda function: function) if on else (lambda _: nothing)):
                spent[on], fronts[on] = audited(config)
        ratios.append(spent[True] / spent[False])
        least.append(spent[False])
        inside = Inside()
        with way(inside.around):
            seconds, _ = audited(config)
        shares.append(inside.seconds / (seconds - inside.seconds))
        calls, same = inside.calls, same and fronts[True] == fronts[False]
    print(
        f"{what:<18}{statistics.median(ratios):>12.3f}{statistics.median(shares):>12.3%}{calls:>12,}"
        f"{min(least):>12.2f}{'same' if same else 'DIFFER':>10}",
        flush=True,
    )


def audited(config: Config) -> tuple[float, list[bytes]]:
    """Seconds of the CPU that an audit takes, and its fronts.

    Args:
        config: its settings.
    """
    with tempfile.TemporaryDirectory() as place:
        begin = time.process_time()
        Audit(config, directory=Path(place) / "run").run()
        seconds = time.process_time() - begin
        with RunDirectory.read(Path(place) / "run") as run:
            return seconds, [row.front.to_bytes() for row in run.rows() if row.front is not None]


def answered(seen: Seen) -> Reply:
    """Scores by how bright a picture is, or by two columns of a row."""
    if "inputs" in seen.json:
        x = np.asarray(seen.json["inputs"], dtype=np.float32)
        return json_reply({"predictions": [[0.0, 20.0 * float(one.mean() - 0.5)] for one in x]})
    table = seen.json["dataframe_split"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return json_reply({"predictions": [[0.0, (row["age"] - 45) / 8 - row["hours"] / 60] for row in rows]})


def _serve(out: multiprocessing.connection.Connection) -> None:
    with serving(answered) as server:

        def forgetting(seen: Seen) -> Reply:
            with server.lock:
                server.seen.clear()  # every body of every audit would be gigabytes
            return answered(seen)

        server.answer = forgetting
        out.send(server.url)
        with suppress(EOFError):  # whoever measures was stopped
            out.recv()


@contextmanager
def server_apart() -> Iterator[str]:
    """The address of a server in a process of its own, whose seconds are not ours."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield str(ours.recv())
    finally:
        ours.send("end")
        process.join()


def print_costs(faces: dict[str, Any], rows: dict[str, Any], *, rounds: int, folder: Path) -> None:
    """Print the lines of both, of faces and of rows.

    Args:
        faces: settings of an audit of pictures.
        rows: settings of an audit of a table.
        rounds: audits each.
        folder: for the sidecar of the served models.
    """
    print(f"\n{'':<18}{'cpu on/off':>12}{'inside':>12}{'calls':>12}{'off, s':>12}{'fronts':>10}")
    for what, values in (("faces", faces), ("table", rows)):
        own = {**values, "run": {**values.get("run", {}), "isolate": False}}
        compare(f"checksums, {what}", own, rounds=rounds, way=hashing, nothing=lambda *_: CONSTANT)
    sidecar = folder / "served.toml"
    sidecar.write_text(
        'labels = ["no", "yes"]\nscores = "logits"\nmax_batch = 100\n[input]\nsize = [64, 64]\n'
    )
    with server_apart() as url:
        for what, values in (("faces", faces), ("table", rows)):
            served = {**values, "model": {"path": f"mlflow+{url}", "sidecar": str(sidecar)}}
            compare(f"ledger, {what}", served, rounds=rounds, way=counting, nothing=lambda *_, **__: None)
