"""Labels that a reader cannot tell apart: found whatever the difference, refused where given, named where carried."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import cfsearch
from cfsearch.api.explained import explained_pictures
from cfsearch.contracts.labels import check_distinct, doubt_of_labels, indistinct
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError
from cfsearch.providers.handshake import handshake
from cfsearch.providers.live import live_provider, live_tabular
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.providers.text import live_text_model
from cfsearch.providers.torch_module import TorchProvider
from cfsearch.testing import FakeProvider, FakeWhiteBox

ALIKE = {
    "a space behind": ("yes", "yes "),
    "another space": ("a b", "a\u00a0b"),
    "two spaces": ("a b", " a  b"),
    "an accent in one letter and in two": ("\u00e9", "e\u0301"),
    "zero width": ("yes", "ye\u200bs"),
    "a joiner in Latin letters": ("yes", "ye\u200ds"),
    "a soft hyphen": ("yes", "y\u00ades"),
    "a direction": ("yes", "\u202eyes"),
    "a variation selector": ("\u2764", "\u2764\ufe0f"),
    "a filler": ("yes", "yes\u3164"),
    "a zero-width joiner inside an accent": ("\u00e9", "e\u200b\u0301"),
    "Cyrillic letters": ("cop", "\u0441\u043e\u0440"),
    "one Greek letter": ("Male", "\u039cale"),
}
APART = {
    "case": ("yes", "Yes"),
    "wide letters": ("A", "\uff21"),
    "a raised figure": ("x2", "x\u00b2"),
    "a family and its members": ("\U0001f468\U0001f467", "\U0001f468\u200d\U0001f467"),
    "Persian with and without a joiner": ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),
    "a hyphen": ("ab", "a-b"),
    "Cyrillic words": ("\u0434\u0430", "\u043d\u0435\u0442"),
}  # fmt: skip


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_what_looks_alike_is_found_in_any_order(pair: tuple[str, str]) -> None:
    for labels in (pair, pair[::-1], ("no", *pair)):
        first, second = labels[-2:]
        assert indistinct(labels) == f"must differ, but {first!a} and {second!a} look alike. Rename one."


@pytest.mark.parametrize("pair", APART.values(), ids=APART)
def test_what_one_sees_apart_is_apart(pair: tuple[str, str]) -> None:
    assert indistinct(pair) == ""


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0", "\u200b", "\u200d", "\u2800\u3164", "\ufeff"])
def test_a_blank_label_is_found(blank: str) -> None:
    assert indistinct(("no", blank)) == (
        f"must be words, but that of output 1 is blank ({blank!a}). Give it a name."
    )


@pytest.mark.parametrize("labels", ["yes", ["yes", 1], [True, False]])
def test_labels_are_a_list_of_texts(labels: Any) -> None:
    for fine in (None, (), ("no", "yes")):
        check_distinct(fine, where="here")
    with pytest.raises(ConfigError, match=r"here: expected one name a class, such as \['no', 'yes'\], got"):
        check_distinct(labels, where="here")


def never(*_: object) -> Any:  # Any: it never answers
    raise AssertionError("the model was queried")


SCHEMA = TableSchema(columns=(Column(name="a", kind=ColumnKind.REAL, low=0.0, high=1.0),))
GREY = np.full((8, 8, 3), 0.5, dtype=np.float32)
GIVEN = {
    "search": lambda labels: cfsearch.search(never, GREY, labels=labels),
    "explain": lambda labels: cfsearch.explain(never, GREY, labels=labels),
    "a function of pictures": lambda labels: live_provider(never, shape=(3, 8, 8), labels=labels),
    "a function of rows": lambda labels: live_tabular(
        never, schema=SCHEMA, probes=torch.rand(2, 1), labels=labels
    ),
    "a function of texts": lambda labels: live_text_model(never, texts=["a"], labels=labels),
    "a network": lambda labels: TorchProvider(torch.nn.Identity(), labels=labels, scores=ScoreKind.LOGITS),
    "an estimator": lambda labels: SklearnProvider(estimator(["no", "yes"]), schema=SCHEMA, labels=labels),
}


def estimator(classes: list[str]) -> LogisticRegression:
    x = np.linspace(0, 1, 20)[:, None]
    return LogisticRegression().fit(x, np.array(classes)[(x[:, 0] > 0.5).astype(int)])


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize(
    ("labels", "says"), [(("yes", "yes "), "'yes' and 'yes ' look alike"), (("", "b"), "output 0 is blank")]
)
def test_given_labels_are_refused_before_the_model_is_queried(
    make: Any, labels: tuple[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        make(labels)


def test_names_that_a_model_has_itself_are_kept_and_named() -> None:
    model = SklearnProvider(estimator(["yes", "yes "]), schema=SCHEMA, name="m.skops")
    assert model.labels == ("yes", "yes ")
    says = "m.skops: names of its classes must differ, but 'yes' and 'yes ' look alike. Results name them so."
    seen = handshake(model, (1,), inputs=torch.rand(8, 1))
    assert any(text.startswith(says) and "`labels` in the TOML beside it" in text for text in seen.warnings)
    other = SklearnProvider(estimator(["yes", "yes "]), schema=SCHEMA, labels=("yes", "yes too"))
    assert not any("look alike" in text for text in handshake(other, (1,), inputs=torch.rand(8, 1)).warnings)
    assert doubt_of_labels(("a", ""), who="m").startswith("m: names of its classes must be words, but")
    assert doubt_of_labels(("a", "b"), who="m") == ""


def test_explanations_name_them_too(tmp_path: Any) -> None:
    from PIL import Image

    from cfsearch.datasets.images import find_images

    Image.fromarray((GREY * 255).astype(np.uint8)).save(tmp_path / "a.png")
    refs = find_images(tmp_path)
    model = FakeWhiteBox(FakeProvider())
    assert explained_pictures(model, refs, size=(8, 8)).notes == ()
    alike = FakeWhiteBox(replace(FakeProvider(), labels=("dark", "dark\u200b")))
    [note] = explained_pictures(alike, refs, size=(8, 8)).notes
    assert "'dark' and 'dark\\u200b' look alike" in note
