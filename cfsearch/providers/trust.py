"""Model files that can run code when they are loaded, let in by the hash of their bytes."""

import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Final

import torch

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError, MissingExtraError, ModelFileError, UnsafeModelError, cause_of

from .checkpoints import first_of
from .live import is_estimator, live_tabular
from .onnx.file import ordinary_file
from .preprocessing import Preprocessing
from .programs import Program, exported, script
from .request import ModelRequest
from .sidecar import assumed_range, sidecar_at
from .torch_module import MAX_BATCH, TorchProvider
from .torch_weights import open_read
from .weights import is_checkpoint, weights_in

_FORM: Final = re.compile(r"sha256:([0-9a-f]{64})")
_ESTIMATORS: Final = (".pkl", ".pickle", ".joblib", ".sav")


def trust_of(content: bytes) -> str:
    """What lets a file in, as the user gives it: ``sha256:...``.

    Args:
        content: its bytes.
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def check_trust(path: Path, content: bytes, *, given: str) -> None:
    """Refuse a file whose bytes are not those that the user vouched for.

    Args:
        path: the file.
        content: its bytes.
        given: ``sha256:...``, as the user wrote it.

    Raises:
        ConfigError: that is no hash.
        UnsafeModelError: it is that of other bytes.
    """
    written = given.strip().lower()
    if _FORM.fullmatch(written) is None:
        raise ConfigError(f"--trust-model: expected sha256: and 64 hexadecimal digits, got {given!r}.")
    if written != trust_of(content):
        raise UnsafeModelError(
            f"{path}: is not the file that was vouched for: its hash is {trust_of(content)}, --trust-model says "
            f"{written}. Look where it comes from before you trust the new one."
        )


def open_trusted(request: ModelRequest, *, given: str) -> Provider:
    """The model in a file that runs code when it is loaded, if the user vouched for its bytes.

    A pickled torch module, TorchScript or ``torch.export`` program; of tables also a pickled or joblib estimator.

    Args:
        request: the file and its settings.
        given: ``sha256:...``, as the user wrote it.

    Raises:
        UnsafeModelError: its bytes are others.
        ModelFileError: it cannot be loaded, or holds no model.
        ConfigError: it holds a model of tables, and no table is given.
    """
    path = Path(request.path)
    content = ordinary_file(path)
    check_trust(path, content, given=given)
    declared, where = sidecar_at(path, given=request.sidecar)
    loaded = _loaded(path, content, device=request.device)
    model = _model_in(path, loaded, chosen=declared.weights, where=where)
    if isinstance(model, Mapping):
        read = weights_in(path, model, sha256=hashlib.sha256(content).hexdigest())
        return open_read(request, read=read)
    name = declared.name or path.stem
    remark = model.remark if isinstance(model, Program) else ""
    if request.schema is not None and request.probes is not None:
        if is_estimator(model):
            from .sklearn import SklearnProvider

            return SklearnProvider(
                model,
                schema=request.schema,
                labels=declared.labels or (),
                name=path.name,
                fingerprint=trust_of(content),
                regression=request.target is not None,
            )
        return live_tabular(
            model,
            schema=request.schema,
            probes=request.probes,
            labels=declared.labels,
            scores=declared.kind,
            device=request.device,
            name=name,
            remark=remark,
        )
    if not isinstance(model, torch.nn.Module):
        what = "models of tables. Give --data TABLE.csv with it" if is_estimator(model) else "no network"
        raise ConfigError(f"{path}: holds a {type(model).__name__}; such files hold {what}.")
    stated = model.takes.picture if isinstance(model, Program) and model.takes is not None else {}
    preprocessing = declared.input.over(Preprocessing(**stated))
    return TorchProvider.inferred(
        model,
        labels=declared.labels,
        scores=declared.kind,
        preprocessing=preprocessing,
        device=request.device,
        name=name,
        source=trust_of(content),
        who=str(path),
        where=where,
        remark=remark,
        assumed=assumed_range(declared.input, preprocessing, where=where),
        output=declared.output,
        max_batch=request.max_batch or declared.max_batch or MAX_BATCH,
    )


def _model_in(path: Path, loaded: object, *, chosen: str | None, where: str) -> object:
    """What was loaded, or the one network in a checkpoint that holds networks whole."""
    if not isinstance(loaded, Mapping):
        return loaded
    networks = {str(key): value for key, value in loaded.items() if isinstance(value, torch.nn.Module)}
    if not networks:
        return loaded
    if chosen is None and len(networks) == 1:
        return next(iter(networks.values()))
    if chosen in networks:
        return networks[chosen]
    wrong = f", none named {chosen!r}" if chosen is not None else ""
    raise ConfigError(
        f"{path}: holds {len(networks)} networks ({first_of(networks)}){wrong}. Name one in {where}: "
        f'weights = "{next(iter(networks))}".'
    )


def trusted_types(path: Path, *, given: str) -> tuple[str, ...]:
    """The types of a skops file that skops does not know, if the user vouched for its bytes; nothing is loaded.

    Args:
        path: the file.
        given: ``sha256:...``, as the user wrote it.

    Raises:
        UnsafeModelError: its bytes are others.
        MissingExtraError: skops is not installed.
        ModelFileError: skops cannot read it.
    """
    content = ordinary_file(path)
    check_trust(path, content, given=given)
    try:
        return tuple(import_module("skops.io").get_untrusted_types(data=content))
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name}: skops files need the package skops: pip install 'cfsearch[sklearn]'."
        ) from error
    except Exception as error:  # a forged file may break skops anywhere
        raise ModelFileError(f"{path.name}: skops cannot read it ({cause_of(error)}).") from error


def _loaded(path: Path, content: bytes, *, device: str) -> object:
    try:
        if path.suffix.lower() in _ESTIMATORS and not is_checkpoint(BytesIO(content)):
            return _estimator(content)
        parts = zipfile.ZipFile(BytesIO(content)).namelist() if zipfile.is_zipfile(BytesIO(content)) else []
        inner = {name.split("/")[1] for name in parts if "/" in name}
        if {"archive_format", "models"} & inner or any("exported_program" in name for name in parts):
            return exported(content)
        if "code" in inner:
            return script(content, device=device)
        return torch.load(BytesIO(content), map_location="cpu", weights_only=False)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: is {error}.") from error
    except Exception as error:  # whatever the code in it raises
        raise ModelFileError(f"{path}: cannot be loaded: {cause_of(error)}.") from error


def _estimator(content: bytes) -> object:
    try:
        joblib = import_module("joblib")
    except ImportError:
        return pickle.loads(content)  # noqa: S301  # the user vouched for these bytes
    loaded: object = joblib.load(BytesIO(content))
    return loaded
