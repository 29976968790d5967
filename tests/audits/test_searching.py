"""Which inputs of an audit are left to search, by whom, and when it ends."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from cfsearch.audits import searching
from cfsearch.audits.genuineness_check import GENUINENESS
from cfsearch.audits.searching import AuditProgress, check_workers, search_left
from cfsearch.audits.workers import on_ray, pool, processes
from cfsearch.config import Config
from cfsearch.errors import ConfigError, RunError
from cfsearch.runs.record import stored

from .fronts import instance

STATUSES = ("found", "failed", "not_found", "found", "already_target")


def rows(*at: int) -> list[Any]:
    return [instance(i, None, STATUSES[i]) for i in at]


class Run:
    """A run directory in memory."""

    def __init__(self, *done: int, damaged: tuple[str, ...] = ()) -> None:
        self.held, self.damaged, self.path = rows(*done), damaged, "run"
        self.events: list[tuple[str, dict[str, str]]] = []
        self.stored: list[Any] = []

    def done(self) -> set[str]:
        return {row.name for row in self.held}

    def statuses(self) -> list[str]:
        return [row.status for row in self.held]

    def rows(self) -> list[Any]:
        return list(self.held)

    def add(self, more: list[Any]) -> None:
        self.held += more

    def add_stored(self, more: list[Any]) -> None:
        self.stored += more

    def event(self, what: str, about: dict[str, str]) -> None:
        self.events.append((what, about))


class Stops:
    """Conditions that are decided after so many inputs."""

    on_effects = False

    def __init__(self, order: list[int], after: int) -> None:
        self.order, self.after, self.taken = order, after, list[list[str]]()

    def take(self, more: Any) -> None:
        self.taken.append([row.name for row in more])

    @property
    def decided(self) -> bool:
        return sum(map(len, self.taken)) >= self.after


def assembly(workers: Any = None) -> Any:
    config = Config.check(
        {
            "model": {"path": "m.onnx"},
            "data": {"images": "x"},
            "run": {"workers": workers} if workers is not None else {},
        }
    )
    return SimpleNamespace(config=config, model="model", watched=lambda watch: ("search", watch))


INPUTS: Any = SimpleNamespace(
    refs=[SimpleNamespace(name=f"{i}") for i in range(5)], photographs="photographs", hashes={"a": "b"}
)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Searches in this process, two inputs a batch."""
    seen = SimpleNamespace(batches=[], checks=[], gone=None)

    class Batches:
        def __init__(self, made: Any, search: Any, refs: Any, photographs: Any, check: Any) -> None:
            assert (search[0], refs, photographs) == ("search", INPUTS.refs, "photographs")
            self.assembly, self.check = made, check
            seen.watch = search[1]

        def searched(self, positions: list[int]) -> Any:
            seen.batches.append((list(positions), self.check))
            return SimpleNamespace(rows=rows(*positions), gone=seen.gone)

    def check(run: Any, made: Any, *, refs: Any, photographs: Any) -> str:
        seen.checks.append((refs, photographs))
        return "check"

    monkeypatch.setattr(searching, "Batches", Batches)
    monkeypatch.setattr(searching, "batch_size", lambda made: 2)
    monkeypatch.setattr(searching, "prepare_check", check)
    return seen


def search(run: Run, made: Any = None, *, stopping: Any = None) -> list[AuditProgress]:
    states: list[AuditProgress] = []
    search_left(run, assembly() if made is None else made, INPUTS, watch=states.append, stopping=stopping)  # type: ignore[arg-type]
    return states


def test_what_is_not_held_is_searched_in_batches_and_counted(here: SimpleNamespace) -> None:
    run = Run(1)
    states = search(run)
    assert here.batches == [([0, 2], "check"), ([3, 4], "check")]
    assert [row.name for row in run.held] == ["1", "0", "2", "3", "4"]
    assert states == [
        AuditProgress(1, 5, 1, 0, None), AuditProgress(3, 5, 1, 1, None), AuditProgress(5, 5, 1, 2, None)
    ]  # fmt: skip
    assert here.checks == [(INPUTS.refs, "photographs")]
    here.watch("inside")
    assert states[-1] == AuditProgress(5, 5, 1, 2, "inside")  # type: ignore[arg-type]
    search_left(Run(), assembly(), INPUTS, watch=None)  # type: ignore[arg-type]


def test_nothing_left_prepares_nothing_unless_what_is_measured_is_damaged(here: SimpleNamespace) -> None:
    assert search(Run(0, 1, 2, 3, 4)) == [AuditProgress(5, 5, 1, 2, None)]
    assert (here.batches, here.checks) == ([], [])
    search(Run(0, 1, 2, 3, 4, damaged=(GENUINENESS,)))
    assert (here.batches, len(here.checks)) == ([], 1)


def test_a_model_that_is_gone_ends_it_after_what_was_searched_is_kept(here: SimpleNamespace) -> None:
    here.gone = RunError("gone")
    run = Run()
    with pytest.raises(RunError, match="gone"):
        search(run)
    assert [row.name for row in run.held] == ["0", "1"]


@pytest.mark.parametrize(
    ("after", "batches"), [(9, [[4, 2], [0, 1]]), (3, [[4, 2]]), (4, [[4, 2], [0, 1]]), (1, [])]
)
def test_conditions_give_the_order_and_the_end(
    here: SimpleNamespace, after: int, batches: list[list[int]]
) -> None:
    stopping = Stops([4, 3, 2, 0, 1], after)
    search(Run(3), stopping=stopping)
    assert [positions for positions, _ in here.batches] == batches
    assert stopping.taken[0] == ["3"]
    assert stopping.taken[1:] == [[f"{i}" for i in positions] for positions in batches]


class Played:
    """Workers of either kind, with what they were made of."""

    made: ClassVar[list[tuple[Any, ...]]] = []
    closed = 0
    count = 2

    def __init__(self, task: Any, *, count: int | None) -> None:
        self.made.append((type(self).__name__, task, count))

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, here: SimpleNamespace) -> list[tuple[Any, ...]]:
    made: list[tuple[Any, ...]] = []
    for module, name in ((processes, "LocalWorkers"), (on_ray, "RayWorkers")):
        monkeypatch.setattr(module, name, type(name, (Played,), {"made": made, "closed": 0}))

    def spread(given: Any, left: list[int], *, batch_size: int, names: dict[int, str]) -> Any:
        made.append((list(left), batch_size, names))
        yield SimpleNamespace(death="was ended", rows=[])
        for i in left:
            yield SimpleNamespace(death="", rows=[stored(row) for row in rows(i)])

    monkeypatch.setattr(pool, "spread", spread)
    monkeypatch.setattr(
        searching,
        "prepare_check",
        lambda *_, **__: SimpleNamespace(
            calibration="calibration", second=SimpleNamespace(calibration="other")
        ),
    )
    return made


@pytest.mark.parametrize(
    ("count", "name", "expected"),
    [(2, "LocalWorkers", 2), ("ray:3", "RayWorkers", 3), ("ray", "RayWorkers", None)],
)
def test_several_workers_share_what_is_left(
    workers: list[tuple[Any, ...]], here: SimpleNamespace, count: Any, name: str, expected: int | None
) -> None:
    made, run = assembly(count), Run(2)
    states = search(run, made)
    (kind, task, asked), shared = workers
    assert (kind, asked, shared) == (name, expected, ([0, 1, 3, 4], 2, {i: f"{i}" for i in range(5)}))
    assert (task.config, task.hashes, task.calibration) == (made.config, {"a": "b"}, "calibration")
    assert task.second == "other"
    assert run.events == [("worker died", {"how": "was ended"})]
    assert [row.name for row in run.stored] == ["0", "1", "3", "4"]
    assert [(s.done, s.found, s.failed) for s in states] == [
        (1, 0, 0),
        (2, 1, 0),
        (3, 1, 1),
        (4, 2, 1),
        (5, 2, 1),
    ]
    assert here.batches == []


def test_one_worker_or_nothing_left_is_this_process(
    workers: list[tuple[Any, ...]], here: SimpleNamespace
) -> None:
    search(Run(), assembly(1))
    assert len(here.batches) == 3 and workers == []
    search(Run(0, 1, 2, 3, 4), assembly(2))
    assert workers == []


def test_a_check_without_figures_is_none_for_workers(
    workers: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "prepare_check", lambda *_, **__: None)
    search(Run(), assembly(2))
    assert workers[0][1].calibration is None


PARTS = ("model", "generator", "solver", "objectives", "constraints", "reference", "second_generator")


def test_workers_cannot_take_objects_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "ledger_of", lambda model: None)
    nothing = dict.fromkeys(PARTS)
    check_workers(assembly(2), parts=None)
    check_workers(assembly(2), parts=SimpleNamespace(**nothing))  # type: ignore[arg-type]
    for name in PARTS:
        given: Any = SimpleNamespace(**{**nothing, name: "given"})
        check_workers(assembly(), parts=given)
        check_workers(assembly(1), parts=given)
        with pytest.raises(
            ConfigError,
            match="^workers: each worker opens the model by itself, and this audit was given objects",
        ):
            check_workers(assembly(2), parts=given)


def test_workers_do_not_go_with_a_model_behind_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "ledger_of", lambda model: "ledger" if model == "model" else None)
    check_workers(assembly(1), parts=None)
    with pytest.raises(
        ConfigError, match="^workers: a model behind an address is queried with many requests at a time"
    ):
        check_workers(assembly(2), parts=None)


@pytest.mark.parametrize(
    ("left", "count", "given", "size"), [(5, 2, None, 3), (5, 2, 32, 32), (5, 9, None, 1)]
)
def test_no_worker_goes_without_unless_a_size_was_given(
    workers: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    left: int,
    count: int,
    given: int | None,
    size: int,
) -> None:
    monkeypatch.setattr(searching, "batch_size", lambda made: given or 32)
    monkeypatch.setattr(processes.LocalWorkers, "count", count)
    made = assembly(count)
    object.__setattr__(made.config.run, "batch_size", given)
    search(Run(), made)
    assert workers[1][1] == size and len(workers[1][0]) == left


def test_conditions_look_after_small_batches(here: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "batch_size", lambda made: 32)
    search(Run(), stopping=Stops([0, 1, 2, 3, 4], 9))
    assert [len(positions) for positions, _ in here.batches] == [4, 1]
