"""A model in a process of its own: the same answers, and what it does there stays there."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from cfsearch.cli._explained import _size
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import infer_schema, read_table
from cfsearch.errors import (
    CfsearchError,
    ConfigError,
    DeadlineError,
    ModelFileError,
    ModelMemoryError,
    ProviderCrashedError,
    ProviderError,
)
from cfsearch.providers.handshake import handshake
from cfsearch.providers.isolated.host import Host
from cfsearch.providers.isolated.live import isolated_live_provider
from cfsearch.providers.isolated.process import ModelProcess, stand_by
from cfsearch.providers.isolated.provider import IsolatedProvider, isolated_provider, isolated_tabular
from cfsearch.providers.isolated.session import Isolation, Session, machine_memory
from cfsearch.providers.opening import open_provider
from cfsearch.providers.tabular_opening import open_tabular

from .conftest import ABORTS, ENDS, EXITS, FAULTS, INTERRUPTS, LEAKS, LOOPS, RAISES, grey


def gone(pid: int, *, within_s: float = 20.0) -> bool:
    """Whether a process has ended, or ends soon."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)  # between looks at a process that is not our child
    return False


def test_answers_and_what_is_known_of_the_model_are_the_same(model: IsolatedProvider, unruly: Path) -> None:
    here = open_provider("unruly_model:predict", sidecar=unruly / "unruly.toml")
    x = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.4
    assert torch.equal(model.predict(x), here.predict(x))
    assert torch.equal(model.predict(x[:, :, ::2, 1:5]), here.predict(x[:, :, ::2, 1:5]))
    for name in ("name", "labels", "scores", "max_batch", "fingerprint", "batch_invariant", "note"):
        assert getattr(model, name) == getattr(here, name), name
    assert isinstance(model, Provider)


def test_the_size_of_its_pictures_is_known_to_explain() -> None:
    facts = {"name": "m", "labels": ["a", "b"], "scores": "LOGITS", "max_batch": 4}
    for size in ([8, 12], None):
        host = cast(
            Host, SimpleNamespace(facts={**facts, "prepared": True, "preprocessing": size and {"size": size}})
        )
        assert _size(IsolatedProvider(host)) == (None if size is None else (8, 12))


def test_what_the_model_prints_reaches_nobody(
    model: IsolatedProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    model.predict(grey(0.2))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            ABORTS,
            r"was ended by SIGABRT \(it aborted\) when it was queried with one input; it printed last: '.*seen 1",
        ),
        pytest.param(FAULTS, r"was ended by SIGSEGV \(a segmentation fault\)", marks=pytest.mark.slow),
        (ENDS, r"ended itself with exit code 0"),
    ],
    ids=["abort", "segmentation fault", "exit"],
)
def test_an_input_that_ends_the_process_twice_is_refused_and_others_go_on(
    model: IsolatedProvider, value: float, says: str
) -> None:
    with pytest.raises(ProviderCrashedError, match=says) as caught:
        model.predict(grey(value))
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    answer = model.predict(grey(0.2))
    assert answer.shape == (1, 2)
    pid = model.host.pid
    with pytest.raises(ProviderCrashedError, match="died twice on one input before; it is not queried again"):
        model.predict(grey(value))
    assert model.host.pid == pid  # which cost no further death
    assert torch.equal(model.predict(grey(0.2)), answer)


def test_an_exit_is_an_error_and_no_death(model: IsolatedProvider) -> None:
    model.predict(grey(0.2))
    pid = model.host.pid
    with pytest.raises(ProviderCrashedError, match=r"the function called sys.exit\(0\)"):
        model.predict(grey(EXITS))
    with pytest.raises(
        ProviderCrashedError, match="the model raised KeyboardInterrupt, which ends a program"
    ):
        model.predict(grey(INTERRUPTS))
    with pytest.raises(ProviderError, match="ValueError: not this one"):
        model.predict(grey(RAISES))
    assert model.predict(grey(LEAKS)).shape == (1, 2)
    assert model.host.pid == pid


def test_a_process_that_was_killed_is_started_again(model: IsolatedProvider) -> None:
    before = model.predict(grey(0.2))
    os.kill(model.host.pid, signal.SIGKILL)
    assert torch.equal(model.predict(grey(0.2)), before)


def test_the_handshake_goes_on_without_inputs_that_end_the_process(model: IsolatedProvider) -> None:
    x = torch.cat([grey(0.1), grey(ABORTS), grey(0.2), grey(0.3)])
    contact = handshake(model, (3, 8, 8), inputs=x)
    assert contact.queries == 12
    assert "its process died on 1 of 4 rows that it was queried with first." in contact.warnings[-1]


def test_a_model_that_hangs_meets_its_deadline_and_is_queried_again(unruly: Path) -> None:
    model = isolated_provider(
        "unruly_model:predict", isolation=Isolation(deadline_s=2.0), sidecar=unruly / "unruly.toml"
    )
    pid = model.host.pid
    with pytest.raises(
        DeadlineError, match="did not answer within 2 s when it was queried with one input; its process"
    ):
        model.predict(grey(LOOPS))
    assert gone(pid)
    assert model.predict(grey(0.2)).shape == (1, 2)
    pid = model.host.pid
    model.host.close()
    assert gone(pid)


def test_a_process_that_only_dies_is_not_started_for_ever(
    model: IsolatedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfsearch.providers.isolated.host._MOST_DEATHS", 2)
    with pytest.raises(ProviderCrashedError):
        model.predict(grey(ABORTS, n=2))
    with pytest.raises(
        ProviderError, match="ended 2 times in a row without an answer; it is not started again"
    ):
        model.predict(grey(0.2))
    monkeypatch.undo()
    assert model.predict(grey(0.2)).shape == (1, 2)


def test_memory_beyond_the_limit_is_an_error_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greedy_model.py").write_text(
        "import numpy as np\n"
        "def predict(x):\n"
        "    if x.mean() > 0.9:\n"
        "        np.ones(2**28)\n"
        "    return np.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    model = isolated_provider("greedy_model:predict", isolation=Isolation(memory_gib=1.0))
    with pytest.raises(ModelMemoryError, match="out of memory") as caught:
        model.predict(grey(0.95))
    assert caught.value.code == "out_of_memory"
    assert model.predict(grey(0.2)).shape == (1, 2)
    model.host.close()


def test_a_process_that_holds_too_much_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Isolation())
    monkeypatch.setattr(
        "cfsearch.providers.isolated.session.resident_bytes", lambda pid: 2 * machine_memory()
    )
    with pytest.raises(ModelMemoryError, match="more than the .* GiB that it may; it was ended"):
        session._look("model", "was opened")
    session.close()


@pytest.mark.usefixtures("from_scratch")
def test_a_process_from_scratch_answers_as_this_one(unruly: Path) -> None:
    model = isolated_provider("unruly_model:predict", isolation=Isolation(), sidecar=unruly / "unruly.toml")
    here = open_provider("unruly_model:predict", sidecar=unruly / "unruly.toml")
    assert torch.equal(model.predict(grey(0.2)), here.predict(grey(0.2)))
    with pytest.raises(ProviderCrashedError, match="was ended by SIGABRT .* it printed last: '.*seen 1"):
        model.predict(grey(ABORTS))
    model.host.close()


@pytest.mark.parametrize("enabled", [False, True])
def test_settings_of_torch_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    (tmp_path / "set_model.py").write_text(
        "import sys, torch\n"
        "def predict(x):\n"
        "    p = float(torch.are_deterministic_algorithms_enabled()) / 2 + x.mean((1, 2, 3)) / 8\n"
        "    return torch.stack([torch.as_tensor(p), torch.as_tensor(1 - p)], 1)\n"
    )
    (tmp_path / "set.toml").write_text('labels = ["a", "b"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: enabled)
    model = isolated_provider("set_model:predict", isolation=Isolation(), sidecar=tmp_path / "set.toml")
    assert (model.predict(grey(0.2))[0, 0].item() >= 0.5) is enabled
    model.host.close()


def test_a_model_that_changed_while_it_was_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "def predict(x):\n    return x.mean((2, 3))[:, :2]\n"
    (tmp_path / "shifty_model.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    model = isolated_provider("shifty_model:predict", isolation=Isolation())
    (tmp_path / "shifty_model.py").write_text(code.replace(":2]", ":2] + 1"))
    os.kill(model.host.pid, signal.SIGKILL)
    assert gone(model.host.pid)
    with pytest.raises(ModelFileError, match="the model changed while it was used"):
        model.predict(grey(0.2))


def test_the_process_ends_with_the_one_that_started_it(unruly: Path) -> None:
    sidecar = str(unruly / "unruly.toml")
    code = f"""
        import sys, time
        sys.path.insert(0, {str(unruly)!r})
        from cfsearch.providers.isolated.provider import isolated_provider
        from cfsearch.providers.isolated.session import Isolation
        from cfsearch.providers.isolated.process import stand_by
        model = isolated_provider("unruly_model:predict", isolation=Isolation(), sidecar={sidecar!r})
        stand_by()
        from cfsearch.providers.isolated.process import _waiting
        print(model.host.pid, _waiting[0].pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        process.kill()
    assert all(gone(pid) for pid in pids)


def test_a_model_of_tables_answers_rows_and_data_frames_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows_model.py").write_text(
        "import numpy as np\n"
        "def predict(frame):\n"
        "    p = 1 / (1 + np.exp(-(frame['age'] - 40) / 10 + (frame['job'] == 'clerk')))\n"
        "    return np.stack([1 - p, p], 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "rows.csv"
    path.write_text(
        "age,job\n" + "\n".join(f"{20 + i // 2},{'clerk' if i % 3 else 'cook'}" for i in range(40))
    )
    schema = infer_schema(path).schema
    x = read_table(path, schema=schema).x
    there = isolated_tabular("rows_model:predict", schema=schema, probes=x[:8], isolation=Isolation())
    here = open_tabular("rows_model:predict", schema=schema, probes=x[:8])
    assert torch.equal(there.predict(x), here.predict(x))
    frame = here.given(x)
    assert there.given(x).equals(frame)
    theirs, ours = there.predict_frame(frame), here.predict_frame(frame)
    assert theirs is not None and ours is not None and torch.equal(theirs, ours)
    assert (there.fingerprint, there.encoding, there.labels) == (here.fingerprint, here.encoding, here.labels)
    assert not there.white_box
    there.host.close()


@pytest.mark.usefixtures("from_scratch")
def test_errors_of_opening_keep_their_class_and_words(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as there:
        isolated_provider(str(tmp_path / "none.onnx"), isolation=Isolation())
    with pytest.raises(ModelFileError) as here:
        open_provider(str(tmp_path / "none.onnx"))
    assert str(there.value) == str(here.value)


def test_an_object_that_cannot_be_sent_says_so() -> None:
    with pytest.raises(ConfigError, match="isolate: the model .* cannot be sent to a process of its own"):
        isolated_live_provider(lambda x: x, shape=(3, 8, 8), isolation=Isolation())


@pytest.mark.parametrize("given", [{"deadline_s": 0.0}, {"memory_gib": -1.0}, {"deadline_s": float("nan")}])
def test_limits_are_positive(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be a positive number"):
        Isolation(**given)  # type: ignore[arg-type]  # both are numbers


def test_the_process_that_stands_by_is_taken_once() -> None:
    stand_by()
    stand_by()
    first, second = ModelProcess.take(), ModelProcess.take()
    assert first.pid != second.pid
    for process in (first, second):
        process.close()
        assert gone(process.pid)
        assert not process.alive


def test_an_offline_process_has_no_network_and_another_home(unruly: Path) -> None:
    (unruly / "curious_model.py").write_text(
        "import os, socket\n"
        "import numpy as np\n"
        "def predict(x):\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', int(os.environ['DOOR'])), timeout=5).close()\n"
        "        seen = 'open'\n"
        "    except OSError:\n"
        "        seen = 'shut'\n"
        "    raise ValueError(seen + ' ' + os.path.expanduser('~'))\n"
    )
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOOR", str(server.getsockname()[1]))
        said = {}
        for offline in (False, True):
            with pytest.raises(CfsearchError) as caught:
                isolated_provider("curious_model:predict", isolation=Isolation(offline=offline))
            said[offline] = str(caught.value)
        lacking = Session(Isolation(offline=True)).lacking
    assert f"open {Path.home()}" in said[False]
    assert "cfsearch-home-" in said[True]
    assert ("shut" in said[True]) == (not lacking)
