"""F15 to F18 and F22 from the other side: what can run code is let in by the hash of its bytes, and by no other."""

import hashlib
import pickle
import re
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from cfsearch.assembly.isolation import isolation_of, trusted_of
from cfsearch.config import Config, ModelConfig
from cfsearch.datasets.tables import infer_schema, read_table
from cfsearch.errors import ConfigError, UnsafeModelError
from cfsearch.providers.opening import open_provider
from cfsearch.providers.tabular_opening import open_tabular


def hash_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).eval()


@pytest.fixture(params=["module.pt", "pickle.pkl", "script.pt", "script.ptl", "export.pt2"])
def runs_code(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that runs code when it is loaded, with a network in it."""
    path = tmp_path / str(request.param)
    if path.stem == "module":
        torch.save(network(), path)
    elif path.stem == "pickle":
        path.write_bytes(pickle.dumps(network()))
    elif path.stem == "script":
        traced = torch.jit.trace(network(), torch.zeros(2, 3, 4, 4))  # type: ignore[no-untyped-call]  # untyped
        torch.jit.save(traced, str(path))
    else:
        free = torch.export.Dim("n", min=1, max=512)
        exported = torch.export.export(network(), (torch.zeros(2, 3, 4, 4),), dynamic_shapes=({0: free},))
        torch.export.save(exported, path)
    path.with_suffix(".toml").write_text(
        'labels = ["a", "b", "c"]\nscores = "logits"\n[input]\nsize = [4, 4]\n'
    )
    return path


@pytest.mark.filterwarnings("default")
def test_the_refusal_prints_the_hash_that_lets_the_file_in(runs_code: Path) -> None:
    with pytest.raises(UnsafeModelError, match="can run code when it is loaded; it was not") as caught:
        open_provider(str(runs_code))
    found = re.search(r"--trust-model (sha256:[0-9a-f]{64})", str(caught.value))
    assert found is not None
    assert found[1] == hash_of(runs_code)
    model = open_provider(str(runs_code), trust_model=found[1])
    x = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(model.predict(x), network()(x), atol=1e-5)
    assert model.labels == ("a", "b", "c")
    assert hash_of(runs_code) in model.fingerprint


@pytest.mark.filterwarnings("default")
def test_f18_a_wrong_hash_is_refused_with_both(runs_code: Path) -> None:
    other = "sha256:" + "0" * 64
    with pytest.raises(UnsafeModelError, match="is not the file that was vouched for") as caught:
        open_provider(str(runs_code), trust_model=other)
    assert hash_of(runs_code) in str(caught.value)
    assert other in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("given", ["yes", "sha256:12", "md5:" + "0" * 32, ""])
def test_what_is_no_hash_is_refused(runs_code: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="--trust-model: expected sha256: and 64 hexadecimal digits"):
        open_provider(str(runs_code), trust_model=given)


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".sav"])
def test_a_pickled_estimator_is_let_in_by_its_hash_alone(tmp_path: Path, suffix: str) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("age,hours\n" + "\n".join(f"{20 + i // 2},{i % 7 + 30}" for i in range(60)))
    schema = infer_schema(table).schema
    x = read_table(table, schema=schema).x
    fitted = LogisticRegression().fit(x.numpy(), (x[:, 0] > 35).numpy())
    path = tmp_path / f"credit{suffix}"
    joblib.dump(fitted, path)  # type: ignore[no-untyped-call]  # joblib has no types
    with pytest.raises(UnsafeModelError, match=hash_of(path)):
        open_tabular(str(path), schema=schema, probes=x[:8])
    with pytest.raises(UnsafeModelError, match="vouched for"):
        open_tabular(str(path), schema=schema, probes=x[:8], trust_model="sha256:" + "a" * 64)
    model = open_tabular(str(path), schema=schema, probes=x[:8], trust_model=hash_of(path))
    assert np.allclose(model.predict(x).numpy(), fitted.predict_proba(x.numpy()))
    with pytest.raises(ConfigError, match="models of tables. Give --data"):
        open_provider(str(path), trust_model=hash_of(path))


class Own(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator of a type that skops does not know."""


def test_f22_a_skops_file_of_unknown_types_is_let_in_whole(tmp_path: Path) -> None:
    from skops import io

    path = tmp_path / "own.skops"
    io.dump(Own().fit([[0.0], [1.0]], [0, 1]), path)
    assert trusted_of(ModelConfig(path=str(path))) == ()
    [kind] = trusted_of(ModelConfig(path=str(path), trust_model=hash_of(path)))
    assert kind.endswith("Own")
    with pytest.raises(UnsafeModelError, match="vouched for"):
        trusted_of(ModelConfig(path=str(path), trust_model="sha256:" + "b" * 64))


def test_what_was_vouched_for_loses_the_network(tmp_path: Path) -> None:
    values = {"model": {"path": "m.pt"}, "data": {"images": "faces"}, "run": {"isolate": True}}
    plain = isolation_of(Config.check(values))
    vouched = isolation_of(
        Config.check({**values, "model": {"path": "m.pt", "trust_model": "sha256:" + "0" * 64}})
    )
    assert plain is not None and not plain.offline
    assert vouched is not None and vouched.offline
