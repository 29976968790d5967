"""Beside the list: answers of other libraries and of careless ones, and models that change the process around them."""

import contextlib
import fractions
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

from cfsearch.cli import main
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import schema_of
from cfsearch.errors import CfsearchError, CfsearchWarning, ProviderError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.handshake import handshake
from cfsearch.providers.plain_array import plain_array
from cfsearch.providers.sklearn import SklearnProvider

P = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
SWAPPED = pd.DataFrame(P[[2, 0, 1]], index=[2, 0, 1], columns=["no", "yes"])
SAME = {
    "other byte order": P.astype(">f8"),
    "other byte order, whole": (P * 4).astype(">i2") / np.float64(4),
    "objects": P.astype(object),
    "fractions": [[fractions.Fraction(v) for v in row] for row in P.tolist()],
    "long double": P.astype(np.longdouble),
    "half": P.astype(np.float16),
    "Fortran": np.asfortranarray(P),
    "negative strides": P[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": np.broadcast_to(P, P.shape),
    "matrix": np.asmatrix(P),
    "sparse": scipy.sparse.csr_matrix(P),
    "sparse tensor": torch.from_numpy(P).to_sparse(),
    "bfloat16": torch.from_numpy(P).bfloat16(),
    "with gradients": torch.from_numpy(P).requires_grad_(),
    "nothing masked": np.ma.masked_array(P, mask=False),
    "rows in another order": SWAPPED,
    "columns in another order": pd.DataFrame(P[:, ::-1], columns=["yes", "no"]),
    "nullable": pd.DataFrame(P, columns=["no", "yes"]).astype("Float64"),
    "lists": P.tolist(),
}


@pytest.mark.parametrize("form", SAME)
def test_answers_of_any_library_are_the_numbers_that_they_hold(form: str) -> None:
    array = plain_array(SAME[form], labels=("no", "yes"), who="m")
    assert array.dtype.isnative
    assert np.array_equal(np.asarray(array, dtype=np.float64), P)
    provider = CallableProvider(lambda _: SAME[form], labels=("no", "yes"), scores=ScoreKind.PROBABILITIES)
    assert torch.equal(provider.predict(torch.zeros(3, 2, dtype=torch.float64)), torch.from_numpy(P))


MISSING = {
    "masked": np.ma.masked_array(P, mask=[[False, False], [True, True], [False, False]]),
    "masked, whole": np.ma.masked_array(
        (P * 4).astype(int), mask=[[False, False], [True, True], [False, False]]
    ),
    "None": [[0.25, 0.75], [None, None], [0.5, 0.5]],
    "pandas.NA": pd.DataFrame(P).astype("Float64").mask(pd.Series([False, True, False])),
}


@pytest.mark.parametrize("form", MISSING)
def test_what_an_answer_marks_as_missing_is_no_number(form: str) -> None:
    provider = CallableProvider(lambda _: MISSING[form], labels=("no", "yes"), scores=ScoreKind.LOGITS)
    assert torch.isfinite(provider.predict(torch.zeros(3, 2))).all(dim=1).tolist() == [True, False, True]


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unwilling:
    def __array__(self, *_: object, **__: object) -> np.ndarray[Any, Any]:
        raise Unsayable


NONE: dict[str, tuple[object, str]] = {
    "nothing": (None, "got None"),
    "a dictionary": ({"probabilities": P}, "a dictionary of 'probabilities'"),
    "ragged": ([[0.5, 0.5], [1.0]], "got 'list'"),
    "complex": (P.astype(complex), "complex128"),
    "dates": (P.astype("datetime64[s]"), "datetime64"),
    "a generator": ((row for row in P), "'generator'"),
    "unwilling": (Unwilling(), "Unsayable: its text cannot be made"),
    "objects": (np.array([[object()] * 2] * 3), "that holds object"),
}


@pytest.mark.parametrize("form", NONE)
def test_what_is_no_answer_is_named(form: str) -> None:
    answer, words = NONE[form]
    provider = CallableProvider(lambda _: answer, labels=("no", "yes"), scores=ScoreKind.LOGITS)
    with pytest.raises(ProviderError, match=words) as caught:
        provider.predict(torch.zeros(3, 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sparse", [False, True])
def test_an_estimator_may_answer_so_as_well(sparse: bool) -> None:
    class Own(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        def predict_proba(self, X: Any) -> Any:  # its name
            p = super().predict_proba(X)
            return scipy.sparse.csr_matrix(p) if sparse else np.ma.masked_array(p, mask=p > 0.9)

    schema = schema_of({"columns": [{"name": "a", "kind": "real", "range": [0, 9]}]})
    x = np.arange(10.0)[:, None]
    model = SklearnProvider(Own(C=1).fit(x, x[:, 0] > 4), schema=schema, fingerprint="own")
    finite = torch.isfinite(model.predict(torch.from_numpy(x))).all(dim=1)
    assert bool(finite.all()) == sparse
    assert bool(finite.any())


def test_a_model_that_is_nan_now_and_then_has_finite_figures() -> None:
    calls = iter(range(1000))

    def model(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        p = x.mean(axis=(1, 2, 3))[:, None]
        scores = np.concatenate([p, 1 - p], axis=1)
        scores[0] = np.nan if next(calls) % 2 else scores[0]
        return scores

    provider = CallableProvider(model, labels=("a", "b"), scores=ScoreKind.PROBABILITIES)
    seen = handshake(provider, (3, 8, 8))
    assert np.isfinite([seen.eps_repeat, seen.eps_batch]).all()
    assert not seen.repeatable
    assert any("NaN or infinite in one of them" in text for text in seen.warnings)


DISTURBING: dict[str, Callable[[Path], object]] = {
    "the current folder": os.chdir,
    "torch's default type": lambda _: torch.set_default_dtype(torch.float64),
    "torch's gradients": lambda _: torch.set_grad_enabled(False),
    "numpy's handling of errors": lambda _: np.seterr(all="raise"),
    "where it prints": lambda _: sys.__dict__.update(stdout=None, stderr=None),
}


@pytest.fixture
def undisturbed_after() -> Iterator[None]:
    folder, errors, streams = Path.cwd(), np.geterr(), (sys.stdout, sys.stderr)
    yield
    os.chdir(folder)
    np.seterr(**errors)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    sys.stdout, sys.stderr = streams


@pytest.mark.usefixtures("undisturbed_after")
@pytest.mark.parametrize("what", DISTURBING)
@pytest.mark.parametrize("fails", [False, True])
def test_what_a_model_changes_of_the_process_is_put_back(tmp_path: Path, what: str, fails: bool) -> None:
    def model(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        DISTURBING[what](tmp_path)
        if fails:
            raise Unsayable
        return x

    before = (
        Path.cwd(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        np.geterr(),
        sys.stdout,
        sys.stderr,
    )
    provider = CallableProvider(model, labels=("a", "b"), scores=ScoreKind.LOGITS)
    expected = pytest.raises(CfsearchError, match="Unsayable: its text cannot be made")
    with warnings.catch_warnings(record=True) as seen, expected if fails else contextlib.nullcontext():
        warnings.simplefilter("always")
        provider.predict(torch.zeros(1, 2))
    after = (
        Path.cwd(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        np.geterr(),
        sys.stdout,
        sys.stderr,
    )
    assert after == before
    [warning] = [one for one in seen if issubclass(one.category, CfsearchWarning)]
    assert what in str(warning.message)


def test_a_model_that_prints_does_not_stand_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud_model.py").write_text(
        "import os\nprint('loud')\ndef predict(x):\n    print('loud')\n    os.write(1, b'loud too\\n')\n    return x.mean((2, 3))[:, :2]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done = CliRunner().invoke(main, ["doctor", "loud_model:predict", "--size", "8", "--json"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("{")
    assert "loud" not in done.stdout.replace("loud_model", "")
    assert "loud too" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--evaluations", 10**21), "10"),
        (("--threads", 100_000), "--threads"),
        (("--device", "meta"), "'meta' is not supported; use cpu"),
        (("--device", "mps"), "'mps' is not supported; use cpu"),
        (("--evaluations", 1, "--population", 1), ""),
    ],
)
def test_settings_beyond_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], said: str
) -> None:
    (tmp_path / "rows.csv").write_text(
        "age,hours\n" + "\n".join(f"{20 + i * i % 31},{i % 7}" for i in range(40)) + "\n"
    )
    (tmp_path / "plain_model.py").write_text(
        "import numpy as np\ndef predict(f):\n    p = np.asarray(f['age'], float) / 99\n    return np.stack([p, 1 - p], 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    base = (
        "search",
        "--data",
        tmp_path / "rows.csv",
        "--row",
        3,
        "--model",
        "plain_model:predict",
        "--no-isolation",
    )
    done = CliRunner().invoke(main, [str(word) for word in (*base, *words)])
    assert done.exit_code == (2 if said else 0), done.stderr
    assert "unexpected" not in done.stderr
    assert said in done.stderr
