"""A generator fitted to its inputs: what it is made of, what stays fixed, what is refused."""

from typing import Any, cast

import pytest
import torch

from cfsearch.assembly import fitted as module
from cfsearch.assembly.fitted import fitted
from cfsearch.assembly.inputs import SoundInputs, TextInputs
from cfsearch.assembly.table import TableInput
from cfsearch.config import Config
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema
from cfsearch.errors import ConfigError
from cfsearch.testing import FakeGenerator

REAL, CPU = ColumnKind.REAL, torch.device("cpu")


class Dense:
    """Stands for a generator that remembers what it is fitted to."""

    def __init__(self) -> None:
        self.shape = (3, 4, 4)
        self.made: list[Any] = []

    def with_density(self, reference: Any) -> "Dense":
        self.made.append(("density", reference))
        return self


class Critical(Dense):
    def with_critic(self, reference: Any, *, seed: int) -> "Critical":
        self.made.append(("critic", reference, seed))
        return self


def config(**parts: Any) -> Config:
    return Config.check({"model": {"path": "m.onnx"}, "data": {"table": "t.csv"}, **parts}, where="test")


def columns(**immutable: bool) -> TableSchema:
    return TableSchema(
        columns=tuple(
            Column(name=n, kind=REAL, low=0, high=9, immutable=still) for n, still in immutable.items()
        )
    )


def table(schema: TableSchema, *, reference: int = 0) -> TableInput:
    from cfsearch.assembly.inputs import InputRecord

    x = torch.tensor([1.0, 2.0, 3.0][: schema.d]).double()
    known = None
    if reference:
        rows = torch.arange(reference * schema.d).double().reshape(reference, -1) % 9
        known = Table(schema, rows, None, tuple(range(reference)))
    return TableInput(
        schema=schema,
        records=(InputRecord("row 0", x, "00"),),
        probes=x[None],
        reference=known,
        guessed=None,
        notes=(),
    )


def test_without_a_reference_the_generator_of_rows_stays_as_it_is() -> None:
    dense: Any = Critical()
    found = fitted(config(), table(columns(a=False, b=True)), dense, given=None, device=CPU)
    assert (found.generator, found.immutable, found.reference, dense.made) == (dense, ("b",), None, [])


@pytest.mark.parametrize(
    ("critic", "kind", "expected"),
    [("density", Critical, "density"), ("trained", Critical, "critic")],
)
def test_a_reference_gives_the_critic_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, critic: str, kind: type[Dense], expected: str
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    one = table(columns(a=False, b=False), reference=5)
    assert one.reference is not None
    spread = one.reference.spread(3).x
    dense: Any = kind()
    data = {"table": "t.csv", "reference": "r.csv"}
    found = fitted(
        config(search={"critic": critic, "seed": 11}, data=data), one, dense, given=None, device=CPU
    )
    assert found.reference is not None and torch.equal(found.reference, spread)
    [made] = dense.made
    assert made[0] == expected
    assert torch.equal(made[1], spread if expected == "density" else one.reference.x)
    assert made[2:] == ((11,) if expected == "critic" else ())


@pytest.mark.parametrize(("critic", "method"), [("trained", "with_critic"), ("forest", "with_forest")])
def test_a_critic_that_the_generator_cannot_make_is_refused(critic: str, method: str) -> None:
    plain, data = FakeGenerator(shape=(2,)), {"table": "t.csv", "reference": "r.csv"}
    with pytest.raises(ConfigError, match=f"makes no critic of the kind '{critic}' .it has no `{method}`"):
        fitted(
            config(search={"critic": critic}, data=data),
            table(columns(a=False, b=False), reference=2),
            plain,
            given=None,
            device=CPU,
        )


def test_a_generator_that_makes_no_critic_stays_as_it_is() -> None:
    plain = FakeGenerator(shape=(2,))
    found = fitted(config(), table(columns(a=False, b=False), reference=2), plain, given=None, device=CPU)
    assert found.generator is plain and found.reference is not None


def test_columns_that_are_given_or_that_the_schema_holds_stay_fixed() -> None:
    def held(*immutable: str, **still: bool) -> tuple[str, ...]:
        one = table(columns(**still))
        return fitted(
            config(search={"immutable": list(immutable)}),
            one,
            FakeGenerator(shape=(3,)),
            given=None,
            device=CPU,
        ).immutable

    assert held(a=False, b=True, c=False) == ("b",)
    assert held("c", a=False, b=True, c=False) == ("c", "b")
    assert held("b", "b", a=False, b=True, c=False) == ("b",)


def test_where_nothing_may_change_it_is_refused_with_each_reason() -> None:
    def refused(schema: TableSchema, *immutable: str) -> str:
        with pytest.raises(ConfigError) as caught:
            fitted(
                config(search={"immutable": list(immutable)}),
                table(schema),
                FakeGenerator(shape=(2,)),
                given=None,
                device=CPU,
            )
        return str(caught.value)

    end = (
        ". Free one (--immutable, `immutable` in the schema), or widen its range: a schema that is guessed from few rows has "
        "their ranges; give --reference or --schema."
    )
    assert (
        refused(columns(a=False, b=True), "a")
        == f"table: no column may change: 'a', 'b' must not change{end}"
    )
    single = TableSchema(
        columns=(Column(name="a", kind=REAL, low=1, high=1), Column(name="b", kind=REAL, low=0, high=9))
    )
    assert (
        refused(single, "b")
        == f"table: no column may change: 'b' must not change; 'a' can only stay, by the schema{end}"
    )
    both = TableSchema(
        columns=(Column(name="a", kind=REAL, low=1, high=1), Column(name="b", kind=REAL, low=2, high=2))
    )
    assert refused(both) == f"table: no column may change: 'a', 'b' can only stay, by the schema{end}"


def words(*reference: str) -> Any:
    """The texts of a search, known by their reference alone."""
    made = object.__new__(TextInputs)
    object.__setattr__(made, "reference", reference)
    return made


def test_texts_hold_their_words_themselves() -> None:
    dense: Any = Dense()
    settings = config(data={"texts": ["a"]}, search={"immutable": ["word"]})
    found = fitted(settings, words("x", "y"), dense, given=None, device=CPU)
    assert (found.generator, found.immutable, found.reference) == (dense, (), None)
    assert dense.made == [("density", ("x", "y"))]
    bare = Dense()
    plain, same = FakeGenerator(shape=(2,)), cast("Any", bare)
    assert fitted(settings, words(), same, given=None, device=CPU).generator is same
    assert bare.made == []
    assert fitted(settings, words("x"), plain, given=None, device=CPU).generator is plain


def test_pictures_take_what_is_given_then_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    shown = torch.zeros(2, 3, 4, 4)

    def images(path: str, shape: Any) -> torch.Tensor:
        asked.append((path, shape))
        return shown

    monkeypatch.setattr(module, "reference_images", images)
    bare, named = config(data={"images": "x"}), config(data={"images": "x", "reference": "ref"})
    given = torch.ones(1, 3, 4, 4)
    dense: Any = Dense()
    found = fitted(bare, None, dense, given=None, device=CPU)
    assert (found.reference, dense.made, asked, found.generator) == (None, [], [], dense)
    found = fitted(named, None, dense, given=given, device=CPU)
    assert found.reference is given and asked == [] and dense.made[-1][1] is given
    found = fitted(named, None, dense, given=None, device=CPU)
    assert found.reference is shown and asked == [("ref", (3, 4, 4))] and dense.made[-1][1] is shown
    plain = FakeGenerator(shape=(3, 4, 4))
    found = fitted(named, None, plain, given=given, device=CPU)
    assert found.generator is plain and found.reference is given


def test_sounds_have_their_own_reference() -> None:
    made = object.__new__(SoundInputs)
    own = torch.zeros(1, 1, 4, 4)
    object.__setattr__(made, "reference", own)
    dense: Any = Dense()
    found = fitted(config(data={"sounds": "x"}), made, dense, given=torch.ones(1), device=CPU)
    assert found.reference is own and dense.made == [("density", own)]


def test_variables_that_must_not_change_have_to_be_there() -> None:
    generator = FakeGenerator(shape=(3, 4, 4))
    settings = config(data={"images": "x"}, search={"immutable": ["red", "slope"]})
    assert fitted(settings, None, generator, given=None, device=CPU).immutable == ("red", "slope")
    wrong = config(data={"images": "x"}, search={"immutable": ["red", "slop"]})
    with pytest.raises(ConfigError, match=r"^immutable: unknown variable 'slop'\. Did you mean 'slope'\?"):
        fitted(wrong, None, generator, given=None, device=CPU)
