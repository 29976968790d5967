"""Every setting reaches the assembled search: a row a key of the configuration, and none without a row."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import BaseModel
from safetensors.torch import save_file

from cfsearch.assembly.isolation import isolation_of
from cfsearch.assembly.search import Assembly, assemble
from cfsearch.config import Config, overlaid
from cfsearch.datasets.tables import Table
from cfsearch.errors import CfsearchError, ConfigError
from cfsearch.objectives.neighbours import Neighbours

CODE = """
import numpy as np
import torch

def bright(x):
    p = x.mean((1, 2, 3))
    return np.stack([1 - p, p], 1)

def dark(x):
    return bright(x)[:, ::-1]

def label(x):
    return bright(x).argmax(1)

def rows(frame):
    p = frame["a"].to_numpy(dtype=float)
    return np.stack([1 - p, p], 1)

def single():
    return torch.nn.Linear(2, 2)

class Doubled(torch.nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)

def doubled():
    return Doubled(2, 2)
"""
TABLE = "a,b,who,ok\n0.1,0.9,x,no\n0.4,0.2,y,yes\n0.8,0.5,x,yes\n0.3,0.7,y,no\n"
PICTURES: dict[str, Any] = {
    "model": {"path": "toy_models:bright", "sidecar": "toy.toml"},
    "data": {"images": "faces"},
    "generator": "pixels:grid=2",
    "search": {"objectives": ["adversarial", "intensity"]},
}
ROWS: dict[str, Any] = {
    "model": {"path": "toy_models:rows", "sidecar": "rows.toml"},
    "data": {"table": "rows.csv", "rows": [0, 1]},
    "search": {"objectives": ["adversarial", "gower"]},
}
NUMBERS: dict[str, Any] = {
    **ROWS,
    "model": {"path": "net.safetensors", "arch": "toy_models:single"},
    "data": {"table": "numbers.csv", "rows": [0, 1], "label": "ok"},
}
TEXTS: dict[str, Any] = {"data": {"texts": ["a dull film", "a funny film"]}}

Read = Callable[[Assembly], object]


@dataclass(frozen=True)
class Row:
    """What to set on top of a base, and what must then stand in the assembly.

    Args:
        change: the settings, table by table.
        read: what to look at.
        value: what must stand there; something else must stand there without the change.
        base: the settings without the change.
    """

    change: Mapping[str, Any]
    read: Read
    value: object
    base: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType(PICTURES))


def of_search(name: str) -> Read:
    """An attribute of the search."""
    return lambda made: getattr(made.search, name)


def names_of(name: str) -> Read:
    """The names of the plug-ins of a search."""
    return lambda made: [plugin.name for plugin in getattr(made.search, name)]


def answer(made: Assembly) -> list[float]:
    """What the audited model says of a fixed input."""
    x = torch.full(
        (1, *made.search.generator.shape), 0.25, dtype=torch.float64 if made.table else torch.float32
    )
    return [round(v, 4) for v in made.model.predict(x)[0].tolist()]


def shape(made: Assembly) -> tuple[int, ...]:
    return tuple(made.search.generator.shape)


def space_names(made: Assembly) -> tuple[str, ...]:
    generator = made.search.generator
    return tuple(generator.space(generator.encode(torch.full((1, *generator.shape), 0.5))).names)


def first(made: Assembly) -> float:
    assert made.table is not None
    return float(made.table.x[0, 0])


def inputs_of(made: Assembly) -> list[str]:
    return [record.name for record in made.records or ()]


def texts_of(made: Assembly) -> object:
    return getattr(made.inputs, "texts", None)


def labels_only(**model: object) -> dict[str, Any]:
    return {"model": {"path": "toy_models:label", "sidecar": "labels.toml", **model}}


SEARCH = {
    "evaluations": 77,
    "population": 12,
    "capacity": 13,
    "patience": 9,
    "pruning": 0.3,
    "max_queries": 99,
    "max_time": 1.5,
    "robustness": 7,
    "seed": 3,
    "target": "b",
    "reference_point": (1.0, 2.0),
}
ARRIVES: dict[str, Row] = {
    **{f"search.{key}": Row({"search": {key: value}}, of_search(key), value) for key, value in SEARCH.items()},
    "search.answers": Row(
        {"search": {"answers": 3}}, lambda made: (made.search.extra or {}).get("answers"), 3
    ),
    "search.solver": Row(
        {"search": {"solver": "smpso"}}, lambda made: type(made.search.solver(8)).__name__, "Smpso"
    ),
    "search.objectives": Row(
        {"search": {"objectives": ["intensity", "perceptual"]}}, names_of("objectives"), ["intensity", "perceptual"]
    ),
    "search.constraints": Row({"search": {"constraints": ["flip:margin=0.2"]}}, names_of("constraints"), ["flip"]),
    "search.immutable": Row({"search": {"immutable": ["a"]}}, of_search("immutable"), ("a",), ROWS),
    "search.critic": Row(
        {"search": {"critic": "trained"}, "data": {"reference": "train.csv"}},
        lambda made: type(made.search.generator).__name__, "RowsWithCritic", ROWS,
    ),
    "search.seed_with": Row(
        {"search": {"seed_with": ["gradient"]}}, lambda made: made.search.seeds is not None, True, NUMBERS
    ),
    "search.gradients": Row(
        {"search": {"gradients": True}}, lambda made: made.search.gradients is not None, True, NUMBERS
    ),
    "generator.source": Row({"generator": "faces64"}, lambda made: made.search.generator.name, "attgan"),
    "generator.settings": Row(
        {"generator": "pixels:grid=3"}, lambda made: len(space_names(made)), 9
    ),
    "model.path": Row({"model": {"path": "toy_models:dark", "sidecar": "toy.toml"}}, answer, [0.25, 0.75]),
    "model.sidecar": Row({"model": {"sidecar": "other.toml"}}, lambda made: made.model.labels, ("c", "d")),
    "model.arch": Row({"model": {"arch": "toy_models:doubled"}}, answer, [-0.5, 1.5], NUMBERS),
    "model.votes": Row(
        {"model": {"votes": 5}}, lambda made: getattr(made.search.provider, "votes", None), 5, {**PICTURES, **labels_only()}
    ),
    "model.sigma": Row(
        {"model": {"sigma": 0.07}}, lambda made: getattr(made.search.provider, "sigma", None), 0.07, {**PICTURES, **labels_only()}
    ),
    "data.images": Row({"data": {"images": "small"}}, shape, (3, 16, 16)),
    "data.recursive": Row({"data": {"images": "deep", "recursive": True}}, shape, (3, 24, 24)),
    "data.table": Row({"data": {"table": "train.csv", "rows": [0, 1]}}, first, 0.5, ROWS),
    "data.rows": Row({"data": {"rows": [2]}}, inputs_of, ["row 2"], ROWS),
    "data.where": Row({"data": {"where": ["who=y"]}}, inputs_of, ["row 1"], ROWS),
    "data.limit": Row({"data": {"limit": 1}}, inputs_of, ["row 0"], ROWS),
    "data.label": Row(
        {"data": {"label": "ok"}},
        lambda made: made.table and made.table.schema.target and made.table.schema.target.name, "ok", ROWS,
    ),
    "data.schema": Row(
        {"data": {"schema": "held.schema.toml"}}, of_search("immutable"), ("b",), ROWS
    ),
    "data.by": Row({"data": {"by": ["who"]}}, lambda made: made.table and dict(made.table.by), {"who": ("x", "y")}, ROWS),
    "data.reference": Row(
        {"data": {"reference": "train.csv"}}, lambda made: None if made.search.reference is None else len(made.search.reference), 60, ROWS
    ),
    "data.texts": Row({"data": {"texts": ["good"]}}, inputs_of, ["text 0"], TEXTS),
    "data.column": Row(
        {"data": {"texts": "texts.csv", "column": "other"}},
        texts_of, ("a fine story",), TEXTS,
    ),
    "run.device": Row(
        {"run": {"device": "cpu:0"}}, lambda made: getattr(made.model, "device", None) or made.config.run.device, "cpu:0"
    ),
}  # fmt: skip
ELSEWHERE = {
    "further_models": "cli/test_audit.py::test_two_models_side_by_side",
    "model.trust": "providers/test_sklearn.py::test_types_that_nobody_vouched_for_are_listed_and_not_loaded",
    "model.surrogate": "cli/test_seed_with.py::test_a_surrogates_gradients_lead_to_what_the_model_itself_confirms",
    "data.attributes": "cli/test_audit_labels.py::test_a_folder_with_a_table_says_what_it_knows_and_the_rest_is_estimated",
    "data.split": "cli/test_audit_labels.py::test_celeba_in_its_official_layout",
    "data.missing_numbers": "assembly/test_missing_numbers.py::test_settings_decide_where_somebody_wants_one_of_both",
    "data.sounds": "cli/test_texts_and_sounds.py::test_a_recording_is_searched_with_the_model_that_ships",
    "search.second_generator": "audits/test_agreement.py::test_an_audit_says_it_everywhere_and_goes_on_where_it_stood",
    "search.genuineness": "audits/test_genuineness_check.py::test_an_audit_of_images_measures_itself_unless_switched_off",
    "audit.protected": "cli/test_audit.py::test_protected_attributes_and_the_practical_size_arrive",
    "audit.effect_rows": "audits/columns/test_audited_columns.py::test_no_rows_measured_leaves_it_out",
    "audit.contribution_queries": "audits/test_contributions.py::test_an_audit_of_rows_says_what_each_change_contributes",
    "audit.shared_queries": "audits/shared/test_shared_changes.py::test_too_few_queries_leave_it_out",
    "data.decided": "audits/test_impact.py::test_rows_are_chosen_by_the_decision_and_effects_are_of_all",
    "audit.practical": "cli/test_audit.py::test_protected_attributes_and_the_practical_size_arrive",
    "run.batch_size": "cli/test_wiring.py::test_so_many_inputs_are_searched_together",
    "model.trust_model": "cli/test_wiring.py::test_the_value_of_an_option_reaches_its_place",
    "data.encoding": "cli/test_tables.py::test_encoding_and_delimiter_reach_the_reader",
    "data.delimiter": "cli/test_tables.py::test_encoding_and_delimiter_reach_the_reader",
    "about.croissant": "audits/test_dataset.py::test_it_stands_in_the_audit_and_is_checked",
    "about.data_date": "cli/test_about.py::test_about_stands_on_the_page_and_may_be_changed_later",
    "about.data_source": "cli/test_about.py::test_about_stands_on_the_page_and_may_be_changed_later",
    "about.remarks": "cli/test_about.py::test_about_stands_on_the_page_and_may_be_changed_later",
    "about.who": "cli/test_about.py::test_about_stands_on_the_page_and_may_be_changed_later",
    "about.why": "cli/test_about.py::test_about_stands_on_the_page_and_may_be_changed_later",
    "run.isolate": "assembly/test_search.py::test_limits_of_the_models_own_process_are_those_of_the_run",
    "run.deadline": "assembly/test_search.py::test_limits_of_the_models_own_process_are_those_of_the_run",
    "run.memory": "assembly/test_search.py::test_limits_of_the_models_own_process_are_those_of_the_run",
    "audit.until_decided": "cli/test_wiring.py::test_the_value_of_an_option_reaches_its_place",
    "audit.fail_if": "cli/test_wiring.py::test_the_value_of_an_option_reaches_its_place",
    "audit.gates": "cli/test_wiring.py::test_the_value_of_an_option_reaches_its_place",
    "run.workers": "cli/test_wiring.py::test_the_value_of_an_option_reaches_its_place",
    "run.threads": "cli/test_wiring.py::test_threads_are_those_of_the_command",
}
"""Settings that are no part of an assembly, or are followed to the end elsewhere, by the test."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all files of the settings stand, and a search is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toy_models.py").write_text(CODE)
    for name, labels, scores in (
        ("toy", ["a", "b"], "probabilities"), ("other", ["c", "d"], "probabilities"),
        ("labels", ["a", "b"], "labels"), ("net", ["no", "yes"], "logits"), ("rows", ["no", "yes"], "probabilities"),
    ):  # fmt: skip
        (tmp_path / f"{name}.toml").write_text(f'labels = {labels}\nscores = "{scores}"\n')
    save_file({"weight": torch.tensor([[-1.0, 0.0], [1.0, 2.0]]), "bias": torch.zeros(2)}, "net.safetensors")
    (tmp_path / "rows.csv").write_text(TABLE)
    (tmp_path / "numbers.csv").write_text("a,b,ok\n0.1,0.9,no\n0.4,0.2,yes\n0.8,0.5,yes\n0.3,0.7,no\n")
    train = [
        f"{(30 + i) % 60 / 60},{(7 * i) % 60 / 60},{'xy'[i % 2]},{('no', 'yes')[i // 30]}" for i in range(60)
    ]
    (tmp_path / "train.csv").write_text("\n".join(["a,b,who,ok", *train]) + "\n")
    (tmp_path / "texts.csv").write_text("text,other\na dull film,a fine story\n")
    columns = "".join(
        f'[[columns]]\nname = "{n}"\nkind = "real"\nrange = [0.0, 1.0]\n{rule}'
        for n, rule in (("a", ""), ("b", "immutable = true\n"))
    )
    (tmp_path / "held.schema.toml").write_text(columns)
    for name, side in (("faces", 32), ("small", 16), ("deep/inner", 24)):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(tmp_path / name / "a.png")
    return tmp_path


@pytest.mark.parametrize("key", ARRIVES)
def test_a_setting_reaches_the_search(key: str) -> None:
    row = ARRIVES[key]
    made = assemble(Config.check(overlaid(row.base, row.change)))
    assert row.read(made) == row.value
    if not set(row.change) <= {"run"} and key != "data.recursive":
        assert row.read(assemble(Config.check(dict(row.base)))) != row.value, "also without the setting"


def keys(model: type[BaseModel] = Config, before: str = "") -> Iterator[str]:
    """Every setting by its dotted name, as it is written in a file."""
    for name, known in model.model_fields.items():
        inner = known.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and name != "solver":
            yield from keys(inner, f"{before}{name}.")
        else:
            yield f"{before}{known.alias or name}"


def test_every_setting_has_a_wiring_test() -> None:
    missing = sorted(set(keys()) - {*ARRIVES, *ELSEWHERE})
    assert not missing, (
        f"settings without a wiring test: {', '.join(missing)}. Add a row to ARRIVES in this file, or to ELSEWHERE the "
        "test that follows the setting to the end."
    )
    assert sorted({*ARRIVES, *ELSEWHERE} - set(keys())) == [], "settings that are gone"


@pytest.mark.parametrize("key", ELSEWHERE)
def test_a_test_that_is_named_elsewhere_is_there(key: str) -> None:
    file, _, name = ELSEWHERE[key].partition("::")
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("declared", [["adversarial", "neighbours"], None], ids=["declared", "by default"])
def test_nearness_goes_by_the_models_classes_and_outliers_by_the_true_ones(
    declared: list[str] | None,
) -> None:
    search = {"target": "yes"} if declared is None else {"target": "yes", "objectives": declared}
    data = ROWS["data"] | {"reference": "train.csv", "label": "ok"}
    made = assemble(Config.check(ROWS | {"data": data, "search": search}))
    near = next(o for o in made.search.objectives if isinstance(o, Neighbours))
    assert isinstance(near.table, Table) and near.table.target is not None and near.outcomes is not None
    # the model says yes above .5 in column a, where each outcome of train.csv but that at .5 itself is no
    assert near.table.target.tolist() == (near.table.x[:, 0] > 0.5).int().tolist()
    assert near.outcomes.target is not None
    assert near.outcomes.target.tolist() == (near.outcomes.x[:, 0] < 0.5).int().tolist()


def test_images_of_sub_folders_are_only_found_where_they_are_looked_for() -> None:
    with pytest.raises(CfsearchError, match="deep"):
        assemble(Config.check(overlaid(PICTURES, {"data": {"images": "deep"}})))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device: 'cuda' is wanted, but torch sees no GPU"):
        assemble(Config.check(overlaid(PICTURES, {"run": {"device": "cuda"}})))


def test_limits_of_the_models_own_process_are_those_of_the_run() -> None:
    run = {"isolate": True, "deadline": 9.0, "memory": 2.0}
    limits = isolation_of(Config.check(overlaid(PICTURES, {"run": run})))
    assert limits is not None
    assert (limits.deadline_s, limits.memory_gib) == (9.0, 2.0)
    assert isolation_of(Config.check(overlaid(PICTURES, {"run": run | {"isolate": False}}))) is None
