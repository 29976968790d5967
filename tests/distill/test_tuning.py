"""The search of the settings: what is tried, what is kept, what goes on."""

import builtins
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cfsearch.distill import PAPER, Hyper, Tuning
from cfsearch.distill.examples import Examples
from cfsearch.distill.training import Lesson
from cfsearch.distill.tuning import tune
from cfsearch.errors import MissingExtraError, RunError

pytest.importorskip("optuna", reason="the extra `distill` is not installed")


def examples(n: int = 200) -> Examples:
    u = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return Examples(u, torch.nn.functional.one_hot((u[:, 0] > 0).long(), 2).float())


def lesson(trials: int, *, seed: int = 0) -> Lesson:
    recipe = replace(PAPER, tuning=Tuning(trials=trials, epochs=(15, 20)), hyper=Hyper(1e-3, 5, 32))
    return Lesson("linear", recipe.hyper, recipe, seed)


CANDIDATES = ("linear", "mlp_64_64")


def test_the_best_trial_is_chosen_within_the_ends() -> None:
    told: list[float | None] = []
    found = tune(
        examples(), candidates=CANDIDATES, lesson=lesson(6), watch=lambda _n, _of, best: told.append(best)
    )
    assert found.trials == len(told) == 6
    assert found.agreement is not None
    assert found.agreement == told[-1]
    assert found.agreement > 0.85
    assert found.network in CANDIDATES
    assert 1e-4 <= found.hyper.rate <= 1e-2
    assert 15 <= found.hyper.epochs <= 20
    assert 32 <= found.hyper.batch <= 128
    again = tune(examples(), candidates=CANDIDATES, lesson=lesson(6))
    assert again == found


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "trials.sqlite"
    begun: list[int] = []
    tune(
        examples(),
        candidates=CANDIDATES,
        lesson=lesson(5),
        file=file,
        watch=lambda n, _of, _best: begun.append(n),
        stop=lambda: len(begun) >= 2,
    )
    assert begun == [1, 2]
    found = tune(
        examples(),
        candidates=CANDIDATES,
        lesson=lesson(5),
        file=file,
        watch=lambda n, _of, _best: begun.append(n),
    )
    assert begun == [1, 2, 3, 4, 5]
    assert found.trials == 5
    tune(
        examples(),
        candidates=CANDIDATES,
        lesson=lesson(5),
        file=file,
        watch=lambda n, _of, _best: begun.append(n),
    )
    assert len(begun) == 5
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    [name] = optuna.get_all_study_names(storage)
    rates = [t.params["rate"] for t in optuna.load_study(study_name=name, storage=storage).trials]
    storage.remove_session()
    storage.engine.dispose()
    assert len(set(rates)) == 5
    # other examples are another search
    assert tune(examples(60), candidates=CANDIDATES, lesson=lesson(1), file=file).trials == 1


def test_no_time_or_no_trials_leaves_the_own_settings() -> None:
    for found in (
        tune(examples(), candidates=CANDIDATES, lesson=lesson(3), seconds=0.0),
        tune(examples(), candidates=CANDIDATES, lesson=lesson(0)),
        tune(examples(5), candidates=CANDIDATES, lesson=lesson(3)),
    ):
        assert (found.network, found.hyper, found.agreement) == ("linear", Hyper(1e-3, 5, 32), None)


def test_it_is_quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tune(examples(), candidates=CANDIDATES, lesson=lesson(1))
    out, err = capfd.readouterr()
    assert out == err == ""


def test_a_file_that_is_none_is_refused_in_our_words(tmp_path: Path) -> None:
    file = tmp_path / "trials.sqlite"
    file.write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match="file of trials .* cannot be used"):
        tune(examples(), candidates=CANDIDATES, lesson=lesson(1), file=file)
    with pytest.raises(RunError, match="cannot be used"):
        tune(examples(), candidates=CANDIDATES, lesson=lesson(1), file=tmp_path / "no" / "trials.sqlite")


def test_without_optuna_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002  # as the original calls it
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> object:
        if name == "optuna":
            raise ImportError("no optuna")
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[distill\]'"):
        tune(examples(), candidates=CANDIDATES, lesson=lesson(1))
