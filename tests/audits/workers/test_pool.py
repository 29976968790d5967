"""Inputs are spread over workers; a worker that dies loses nothing, and an input that kills them is given up."""

from collections import deque
from collections.abc import Sequence

import pytest

from cfsearch.audits.workers.pool import Answer, Arrival, Workers, spread
from cfsearch.errors import PluginError, RunError
from cfsearch.runs.record import InstanceRow, stored


class Played(Workers):
    """Workers that answer in the order in which they were given something; some inputs kill them."""

    def __init__(
        self, count: int, deadly: dict[int, int] | None = None, bad: int | None = None, *, unbegun: int = 0
    ) -> None:
        self._count, self._deadly, self._bad, self._unbegun = count, dict(deadly or {}), bad, unbegun
        self.given: list[tuple[int, ...]] = []
        self._waiting: deque[tuple[int, tuple[int, ...]]] = deque()

    @property
    def count(self) -> int:
        return self._count

    def give(self, worker: int, positions: Sequence[int]) -> None:
        assert worker not in [busy for busy, _ in self._waiting]
        self.given.append(tuple(positions))
        self._waiting.append((worker, tuple(positions)))

    def take(self) -> Answer:
        worker, positions = self._waiting.popleft()
        if self._unbegun:
            self._unbegun -= 1
            return Answer(worker, death="was ended by SIGKILL", begun=False)
        for at in positions:
            if self._deadly.get(at, 0):
                self._deadly[at] -= 1
                return Answer(worker, death="was ended by SIGKILL")
        rows = [InstanceRow(str(at), at, "not_found", "", "", "", (), None) for at in positions]
        error = PluginError("broken") if self._bad in positions else None
        return Answer(worker, tuple(map(stored, rows)), error=error)

    def close(self) -> None:
        self._waiting.clear()


def arrivals(workers: Played, n: int, size: int = 2) -> list[Arrival]:
    return list(spread(workers, range(n), batch_size=size, names={i: f"row {i}" for i in range(n)}))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_input_arrives_once_whatever_the_number_of_workers(count: int) -> None:
    workers = Played(count)
    found = [row.position for arrival in arrivals(workers, 7) for row in arrival.rows]
    assert sorted(found) == list(range(7))
    assert workers.given == [(0, 1), (2, 3), (4, 5), (6,)]


def test_the_batch_of_a_worker_that_died_is_searched_again_input_by_input() -> None:
    workers = Played(1, {3: 1})
    came = arrivals(workers, 6)
    assert workers.given == [(0, 1), (2, 3), (2,), (3,), (4, 5)]
    assert [arrival.death for arrival in came if arrival.death] == ["was ended by SIGKILL"]
    assert [row.position for arrival in came for row in arrival.rows] == [0, 1, 2, 3, 4, 5]


def test_an_input_on_which_three_workers_died_alone_has_failed_and_the_others_go_on() -> None:
    came = [row for arrival in arrivals(Played(2, {1: 99}), 4) for row in arrival.rows]
    assert sorted(row.position for row in came) == [0, 1, 2, 3]
    [failed] = [row for row in came if row.status == "failed"]
    assert (failed.name, failed.code) == ("row 1", "worker_died")
    assert failed.message == "3 workers died on this input; the last one was ended by SIGKILL."


def test_an_input_is_given_up_at_the_third_death_and_no_sooner() -> None:
    twice = [row for arrival in arrivals(Played(1, {0: 2}), 1, size=1) for row in arrival.rows]
    assert [row.status for row in twice] == ["not_found"]


def test_workers_that_die_while_they_start_say_nothing_against_an_input() -> None:
    workers = Played(1, unbegun=7)
    came = arrivals(workers, 4)
    assert workers.given == [(0, 1)] * 8 + [(2, 3)]
    assert [row.status for arrival in came for row in arrival.rows] == ["not_found"] * 4
    with pytest.raises(RunError, match="12 processes died in a row"):
        arrivals(Played(1, unbegun=12), 1)


def test_workers_that_die_one_after_the_other_end_the_audit() -> None:
    workers = Played(1, dict.fromkeys(range(9), 99))
    with pytest.raises(RunError, match=r"12 processes died in a row .* Try fewer --workers"):
        arrivals(workers, 9, size=1)


def test_an_error_is_raised_when_what_was_found_has_arrived() -> None:
    came = spread(Played(1, bad=1), [0, 1, 2], batch_size=2, names={})
    assert [row.position for row in next(came).rows] == [0, 1]
    with pytest.raises(PluginError, match="broken"):
        next(came)
