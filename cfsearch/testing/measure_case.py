"""What every objective and every constraint must do: subclass, give the fixture."""

from collections.abc import Sequence
from dataclasses import is_dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.records import Candidates, Need, Queries
from cfsearch.errors import CapabilityError

from ._watch import CARD, CARD_TOLERANCE, FEW, assert_same, global_randomness_untouched, need_card
from .candidates import fixed_candidates, make_candidates

Measure = Objective | Constraint
_CERTAIN = 1e4


class _MeasureCase:
    tolerance: float = 1e-4
    """How far a row may move, absolutely and relatively, when its neighbours change."""

    def candidates(
        self,
        measure: Measure,
        *,
        b: int = 2,
        n: int = 5,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> Candidates:
        """What the measure is tried on: exactly what it declares to need, and not more.

        Images of 16 x 16 pixels where it needs images, else vectors. Override it for a measure
        that needs other sizes.
        """
        return make_candidates(
            b=b,
            n=n,
            shape=(3, 16, 16) if Need.IMAGE in measure.needs else (5,),
            critic=Need.CRITIC in measure.needs,
            references=Need.REFERENCE in measure.needs,
            seed=seed,
            dtype=dtype,
            device=device,
        )

    def test_it_says_what_it_is(self, measure: Measure) -> None:
        cls = type(measure)
        for what in ("name", "unit"):
            value = getattr(cls, what, None)
            assert isinstance(value, str) and value, (
                f"{cls.__name__}: class variable `{what}` must be a text that is not empty, got {value!r}."
            )
        needs = cls.needs
        assert isinstance(needs, frozenset) and all(isinstance(need, Need) for need in needs), (
            f"{measure.name}: `needs` must be a frozenset of Need, got {needs!r}."
        )

    def test_its_settings_are_frozen(self, measure: Measure) -> None:
        params = getattr(type(measure), "__dataclass_params__", None)
        assert is_dataclass(measure) and params is not None and params.frozen, (
            f"{measure.name}: must be a frozen dataclass; write @dataclass(frozen=True, slots=True)."
        )

    def test_what_it_declares_to_need_is_enough(self, measure: Measure) -> None:
        try:
            measure(self.candidates(measure))
        except CapabilityError as error:
            raise AssertionError(
                f"{measure.name}: reads what it does not declare; extend `needs`, which is "
                f"{sorted(need.name for need in measure.needs)}. ({error})"
            ) from error

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize(("b", "n"), [(1, 1), (1, 7), (3, 1), (3, 7)])
    def test_one_finite_value_per_row(self, measure: Measure, b: int, n: int, dtype: torch.dtype) -> None:
        c = self.candidates(measure, b=b, n=n, dtype=dtype)
        _check_value(measure, measure(c), c)

    @pytest.mark.gpu
    def test_it_says_the_same_on_a_graphics_card(self, measure: Measure) -> None:
        need_card()
        c = self.candidates(measure, b=3, n=7, device=CARD)
        value = measure(c)
        _check_value(measure, value, c)
        assert_same(
            value.cpu(),
            measure(self.candidates(measure, b=3, n=7)),
            who=measure.name,
            what="values must be the same on CPU and card",
            tolerance=CARD_TOLERANCE,
        )

    def test_it_stays_finite_where_the_model_is_certain(self, measure: Measure) -> None:
        c = self.candidates(measure, b=3, n=7)
        certain = _rebuilt(c, scores=c.scores * _CERTAIN)
        _check_value(measure, measure(certain), certain)

    @FEW
    @given(seed=st.integers(0, 2**16), n=st.integers(2, 9), data=st.data())
    def test_rows_do_not_see_each_other(
        self, measure: Measure, seed: int, n: int, data: st.DataObject
    ) -> None:
        j = data.draw(st.integers(0, n - 1), label="row")
        c = self.candidates(measure, n=n, seed=seed)
        stranger = self.candidates(measure, n=n, seed=seed + 1)
        value = measure(c)
        alone = measure(_rows(c, [j]))
        among_others = measure(_among(stranger, c, j))
        for got, where in ((alone[:, 0], "alone"), (among_others[:, j], "among other rows")):
            assert_same(
                got,
                value[:, j],
                who=measure.name,
                what=f"a row must have the same value {where}",
                tolerance=0.0 if measure.batch_invariant else self.tolerance,
            )

    @FEW
    @given(seed=st.integers(0, 2**16))
    def test_queries_do_not_see_each_other(self, measure: Measure, seed: int) -> None:
        c = self.candidates(measure, b=3, seed=seed)
        value = measure(c)
        for i in range(3):
            assert_same(
                measure(_query(c, i))[0],
                value[i],
                who=measure.name,
                what="a query must have the same values alone",
                tolerance=0.0 if measure.batch_invariant else self.tolerance,
            )

    def test_inputs_are_left_alone(self, measure: Measure) -> None:
        c = self.candidates(measure)
        before = {name: tensor.clone() for name, tensor in _tensors(c).items()}
        measure(c)
        changed = [name for name, tensor in _tensors(c).items() if not torch.equal(tensor, before[name])]
        assert not changed, f"{measure.name}: must leave its inputs alone, but changed {', '.join(changed)}."

    def test_it_answers_the_same_twice(self, measure: Measure) -> None:
        c = self.candidates(measure)
        with global_randomness_untouched(measure.name):
            first, second = measure(c), measure(c)
        assert torch.equal(first, second), f"{measure.name}: must answer the same twice."


class ObjectiveCase(_MeasureCase):
    """Subclass it and give the fixture ``objective``; pytest does the rest.

    Example:
        >>> import pytest
        >>> from cfsearch.objectives import Intensity
        >>> class TestIntensity(ObjectiveCase):
        ...     @pytest.fixture
        ...     def objective(self):
        ...         return Intensity()
        >>> sorted(name for name in dir(TestIntensity) if name.startswith("test_"))[0]
        'test_inputs_are_left_alone'
    """

    @pytest.fixture
    def objective(self) -> Objective:
        raise NotImplementedError("give the fixture `objective`")

    @pytest.fixture
    def measure(self, objective: Objective) -> Measure:
        assert isinstance(objective, Objective), (
            f"expected an Objective, got {type(objective).__name__}; derive from cfsearch.contracts.objective.Objective."
        )
        return objective


class ConstraintCase(_MeasureCase):
    """Subclass it and give the fixture ``constraint``; pytest does the rest.

    Example:
        >>> import pytest
        >>> from cfsearch.objectives import Flip
        >>> class TestFlip(ConstraintCase):
        ...     @pytest.fixture
        ...     def constraint(self) -> Flip:
        ...         return Flip()
        >>> any(name.startswith("test_") for name in dir(TestFlip))
        True
    """

    @pytest.fixture
    def constraint(self) -> Constraint:
        raise NotImplementedError("give the fixture `constraint`")

    @pytest.fixture
    def measure(self, constraint: Constraint) -> Measure:
        assert isinstance(constraint, Constraint), (
            f"expected a Constraint, got {type(constraint).__name__}; derive from "
            "cfsearch.contracts.objective.Constraint."
        )
        return constraint


def _check_value(measure: Measure, value: object, c: Candidates) -> None:
    expected = tuple(c.z.shape[:2])
    assert isinstance(value, Tensor), f"{measure.name}: must return a tensor, got {type(value).__name__}."
    bad = int((~torch.isfinite(value)).sum())
    assert tuple(value.shape) == expected and not bad, (
        f"{measure.name}: must give one finite value per candidate: expected shape {expected}, "
        f"got {tuple(value.shape)} with {bad} non-finite values."
    )
    assert value.dtype == c.z.dtype and value.device == c.z.device, (
        f"{measure.name}: must answer as {c.z.dtype} on {c.z.device}, like `z`, got {value.dtype} on "
        f"{value.device}."
    )


def _rebuilt(
    c: Candidates,
    *,
    z: Tensor | None = None,
    x: Tensor | None = None,
    scores: Tensor | None = None,
    realism: Tensor | None = None,
    queries: Queries | None = None,
) -> Candidates:
    given_realism = c.realism if c.queries.realism is not None and realism is None else realism
    return fixed_candidates(
        c.z if z is None else z,
        queries=c.queries if queries is None else queries,
        space=c.space,
        x=c.x if x is None else x,
        scores=c.scores if scores is None else scores,
        realism=given_realism,
    )


def _rows(c: Candidates, rows: Sequence[int]) -> Candidates:
    return _rebuilt(
        c,
        z=c.z[:, rows],
        x=c.x[:, rows],
        scores=c.scores[:, rows],
        realism=None if c.queries.realism is None else c.realism[:, rows],
    )


def _among(others: Candidates, c: Candidates, j: int) -> Candidates:
    """Row ``j`` of ``c`` where the other rows are those of ``others``."""

    def mixed(other: Tensor, own: Tensor) -> Tensor:
        out = other.clone()
        out[:, j] = own[:, j]
        return out

    return _rebuilt(
        c,
        z=mixed(others.z, c.z),
        x=mixed(others.x, c.x),
        scores=mixed(others.scores, c.scores),
        realism=None if c.queries.realism is None else mixed(others.realism, c.realism),
    )


def _query(c: Candidates, i: int) -> Candidates:
    part = slice(i, i + 1)
    return _rebuilt(
        c,
        z=c.z[part],
        x=c.x[part],
        scores=c.scores[part],
        realism=None if c.queries.realism is None else c.realism[part],
        queries=c.queries.pick(i),
    )


def _tensors(c: Candidates) -> dict[str, Tensor]:
    found = {"z": c.z, "x": c.x, "scores": c.scores}
    if c.queries.realism is not None:
        found["realism"] = c.realism
    for name in ("x", "scores", "source", "target", "realism", "reference"):
        tensor = getattr(c.queries, name)
        if tensor is not None:
            found[f"queries.{name}"] = tensor
    return found
