"""Bayesian search of a network's architecture and training settings, by optuna.

Every trial is a network, a learning rate, passes and a batch size, and its worth is the mean
share of left-out examples of which the network says the provider's class, over the folds of a
cross-validation. A trial that does worse than half of the others on the same folds is given up.
With a file, a search that was interrupted goes on where it stopped.
"""

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, final

import torch
from torch import Tensor

from cfsearch.errors import MissingExtraError, NonFiniteError, RunError

from .examples import Examples
from .recipe import Hyper, Tuning
from .training import Lesson, agreement

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from optuna.trial import Trial

_SPREAD_FIRST: Final = 5
"""Trials drawn at random before the search learns from them."""


@final
@dataclass(frozen=True, slots=True)
class Tuned:
    """Result of the search: architecture and hyperparameters.

    Args:
        network: by its name.
        hyper: rate, passes, batch.
        agreement: with the provider, mean over the folds; None where nothing was searched.
        trials: that were started, in this run and those before it.
        pruned: how many of them were given up.
    """

    network: str
    hyper: Hyper
    agreement: float | None = None
    trials: int = 0
    pruned: int = 0


TrialWatch = Callable[[int, int, float | None], None]
"""Called after every trial with how many were started, of how many, and the best agreement so far."""


def tune(
    examples: Examples,
    *,
    candidates: Sequence[str],
    lesson: Lesson,
    file: Path | None = None,
    seconds: float | None = None,
    watch: TrialWatch | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Tuned:
    """The best of the trials; the recipe's own settings where none was finished.

    Args:
        examples: what the networks learn from.
        candidates: networks by name; the first stands where nothing is searched.
        lesson: seed, recipe and device.
        file: SQLite file in which trials are kept; None keeps them in memory.
        seconds: no trial is started later, and none goes on to another fold; None for no limit.
        watch: called after every trial.
        stop: called before every trial and fold; True ends the search.

    Raises:
        MissingExtraError: optuna is not installed.
        RunError: the file cannot be used.
    """
    tuning = lesson.recipe.tuning
    plain = Tuned(candidates[0], lesson.recipe.hyper)
    if tuning.trials == 0 or len(examples) < 2 * tuning.folds:
        return plain
    optuna = _optuna()
    ends = None if seconds is None else time.monotonic() + seconds

    def over() -> bool:
        return stop() or (ends is not None and time.monotonic() >= ends)

    with _translated_errors(optuna, file), _storage(optuna, file) as storage:
        study = _study(optuna, storage, name=_name(examples, candidates, lesson), seed=lesson.seed)
        seen = _drawn(examples, tuning, seed=lesson.seed)
        folds = _folds(len(seen), tuning.folds, seed=lesson.seed)
        while _counted(optuna, study) < tuning.trials and not over():
            trial = study.ask()
            chosen = replace(lesson, network=_network(trial, candidates), hyper=_hyper(trial, tuning))
            state, worth = _worth(trial, chosen, seen, folds=folds, over=over)
            study.tell(trial, worth, state=getattr(optuna.trial.TrialState, state))
            if watch is not None:
                watch(_counted(optuna, study), tuning.trials, _best(optuna, study))
        return _chosen(optuna, study, plain)


def _worth(
    trial: "Trial", lesson: Lesson, seen: Examples, *, folds: Sequence[Tensor], over: Callable[[], bool]
) -> tuple[str, float | None]:
    """How a trial ended, and the mean agreement on what was left out where it was not given up."""
    total = 0.0
    for fold, left_out in enumerate(folds):
        if over():
            return "FAIL", None
        kept = torch.ones(len(seen), dtype=torch.bool)
        kept[left_out] = False
        try:
            network = lesson.learn(seen.take(kept.nonzero()[:, 0]))
        except NonFiniteError:
            return "PRUNED", None
        total += agreement(network, seen.take(left_out), device=lesson.device)
        trial.report(total / (fold + 1), fold)
        if fold + 1 < len(folds) and trial.should_prune():
            return "PRUNED", None
    return "COMPLETE", total / len(folds)


def _network(trial: "Trial", candidates: Sequence[str]) -> str:
    return (
        candidates[0] if len(candidates) == 1 else str(trial.suggest_categorical("network", list(candidates)))
    )


def _hyper(trial: "Trial", tuning: Tuning) -> Hyper:
    return Hyper(
        rate=trial.suggest_float("rate", *tuning.rate, log=True),
        epochs=trial.suggest_int("epochs", *tuning.epochs),
        batch=trial.suggest_int("batch", *tuning.batch),
    )


def _chosen(optuna: ModuleType, study: "Study", plain: Tuned) -> Tuned:
    pruned = sum(t.state == optuna.trial.TrialState.PRUNED for t in study.trials)
    counted = _counted(optuna, study)
    if _best(optuna, study) is None:
        return replace(plain, trials=counted, pruned=pruned)
    best = study.best_trial
    hyper = Hyper(best.params["rate"], best.params["epochs"], best.params["batch"])
    network = best.params.get("network", plain.network)
    return Tuned(network, hyper, best.value, trials=counted, pruned=pruned)


def _counted(optuna: ModuleType, study: "Study") -> int:
    """Trials that came to an end; one that time cut off is tried anew."""
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return sum(trial.state in ended for trial in study.trials)


def _best(optuna: ModuleType, study: "Study") -> float | None:
    done = [
        t.value for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE and t.value is not None
    ]
    return max(done) if done else None


def _drawn(examples: Examples, tuning: Tuning, *, seed: int) -> Examples:
    if tuning.rows is None or tuning.rows >= len(examples):
        return examples
    rng = torch.Generator().manual_seed(seed)
    return examples.take(torch.randperm(len(examples), generator=rng)[: tuning.rows])


def _folds(n: int, k: int, *, seed: int) -> list[Tensor]:
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(k))


def _name(examples: Examples, candidates: Sequence[str], lesson: Lesson) -> str:
    """Of the study: a search goes on only with the same examples and settings."""
    digest = hashlib.sha256(repr((tuple(candidates), replace(lesson, network=""))).encode())
    digest.update(examples.kept.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    digest.update(examples.y.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError(
            "distill: the search of learning rate, epochs and batch needs optuna, which is not installed: pip "
            "install 'cfsearch[distill]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def _storage(optuna: ModuleType, file: Path | None) -> "Iterator[RDBStorage | None]":
    """The open file of trials, closed at the end; None where they are kept in memory."""
    if file is None:
        yield None
        return
    storage: RDBStorage = optuna.storages.RDBStorage(f"sqlite:///{file.resolve()}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _study(optuna: ModuleType, storage: "RDBStorage | None", *, name: str, seed: int) -> "Study":
    made: Study = optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    # a search that goes on draws new trials and not the first ones again
    started = len(made.trials)
    made.sampler = optuna.samplers.TPESampler(
        seed=seed + started, n_startup_trials=max(0, _SPREAD_FIRST - started)
    )
    return made


@contextmanager
def _translated_errors(optuna: ModuleType, file: Path | None) -> Iterator[None]:
    """Translates what optuna and its storage raise, and keeps them quiet."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"optuna\..*")
            yield
    except optuna.exceptions.OptunaError as error:
        raise RunError(
            f"distill: the search of the settings failed in {str(file or 'memory')!r}: {_short(error)}. Delete the "
            "file to begin anew."
        ) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"sqlalchemy", "sqlite3", "alembic"}:
            raise
        raise RunError(
            f"distill: the file of trials {str(file)!r} cannot be used: {_short(error)}. Delete it, or name another "
            "folder."
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
