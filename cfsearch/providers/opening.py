"""One signature for every form in which a user may name a model of images; ``open_tabular`` for tables."""

from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError, ModelFileError, PluginError, UnsafeModelError
from cfsearch.registry import is_path, load

_FORMS: Final = (
    "model.onnx; weights.safetensors, .pt or .pth with --arch pkg.mod:build; pkg.mod:predict; plugin:NAME"
)
_OTHER_FRAMEWORKS: Final = {
    ".h5": "Keras",
    ".keras": "Keras",
    ".pb": "TensorFlow",
    ".tflite": "TensorFlow Lite",
    ".mlmodel": "Core ML",
    ".engine": "TensorRT",
    ".xml": "OpenVINO or PMML",
}


@runtime_checkable
class Openable(Protocol):
    """A provider class that a user may name as ``plugin:NAME:TARGET``."""

    def open(self, target: str, /) -> Provider:
        """The provider of a target: a path, an address, whatever the plug-in takes."""
        ...


def open_provider(
    spec: str,
    *,
    sidecar: str | Path | None = None,
    arch: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    max_batch: int | None = None,
    deadline_s: float | None = None,
) -> Provider:
    """The audited model behind what a user wrote.

    Args:
        spec: ``model.onnx``; ``weights.safetensors``, ``.pt`` or ``.pth`` (with ``arch``);
            ``pkg.mod:predict``; or ``plugin:NAME``, ``plugin:NAME:TARGET`` for an installed
            plug-in, built without arguments or opened with its target.
        sidecar: a TOML with labels, scores and preprocessing; by default beside the model.
        arch: ``pkg.mod:build`` of the network that the weights belong to.
        device: "cpu", "cuda" or "cuda:1"; a function and a plug-in choose their own.
        threads: cores for one operator of an ONNX model.
        max_batch: most inputs asked at once.
        deadline_s: seconds that one call of a function may take.

    Raises:
        ModelFileError: the file is missing, cannot be read or does not fit.
        UnsafeModelError: the file would run code, or reaches outside its folder.
        ConfigError: the form is unknown, not supported yet, or a setting is wrong.
    """
    if spec.startswith("plugin:"):
        return open_plugin(spec)
    if "://" in spec:
        raise no_address(spec)
    path = Path(spec)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .onnx.provider import OnnxProvider

        return OnnxProvider.open(path, sidecar=sidecar, device=device, threads=threads, max_batch=max_batch)
    if suffix in (".safetensors", ".pt", ".pth"):
        return _weights(path, arch=arch, sidecar=sidecar, device=device, max_batch=max_batch)
    if is_path(spec) and not path.exists():
        from .callable import CallableProvider

        return CallableProvider.open(spec, sidecar=sidecar, deadline_s=deadline_s, max_batch=max_batch)
    raise refused(path)


def _weights(
    path: Path,
    *,
    arch: str | None,
    sidecar: str | Path | None,
    device: str,
    max_batch: int | None,
) -> Provider:
    from .torch_module import TorchProvider
    from .weights import read_weights

    if arch is None:
        read_weights(path)  # a file that would run code is refused as such
        raise ConfigError(
            f"{path}: holds weights alone. Name the function that builds the network: --arch pkg.mod:build."
        )
    return TorchProvider.open(path, arch=arch, sidecar=sidecar, device=device, max_batch=max_batch)


def refused(path: Path) -> ModelFileError | ConfigError | UnsafeModelError:
    """The error for a file that is no model of any form."""
    from .weights import RUNS_CODE, refusal

    suffix = path.suffix.lower()
    if not path.exists():
        return ModelFileError(f"{path}: there is no such model file. A model is one of: {_FORMS}.")
    if path.is_dir():
        return ModelFileError(f"{path}: expected a model file, got a folder. Name the file in it.")
    if suffix in RUNS_CODE:
        return refusal(path, RUNS_CODE[suffix])
    if suffix == ".skops":
        return ConfigError(f"{path}: skops files hold models of tables. Give --data TABLE.csv with it.")
    if suffix in _OTHER_FRAMEWORKS:
        return ConfigError(
            f"{path}: looks like a model of {_OTHER_FRAMEWORKS[suffix]}. Export it to ONNX, or "
            "name a function that asks it: pkg.mod:predict."
        )
    return ConfigError(f"{path}: its ending names no kind of model. A model is one of: {_FORMS}.")


def no_address(spec: str) -> ConfigError:
    """The error for a model behind an address."""
    return ConfigError(
        f"provider: models behind an address are not supported yet, got {spec!r}. Write a "
        "function that asks it and name it as pkg.mod:predict."
    )


def open_plugin(spec: str) -> Provider:
    """An installed provider, ``plugin:NAME`` or ``plugin:NAME:TARGET``."""
    name, _, target = spec.removeprefix("plugin:").partition(":")
    loaded = load("providers", name)
    if not issubclass(loaded, Provider):
        raise PluginError(f"provider {name!r}: {loaded.__name__} is no cfsearch.contracts.provider.Provider.")
    family: type[Provider] = loaded
    opener: object = loaded  # the class itself is what must have `open`
    if target and not isinstance(opener, Openable):
        raise ConfigError(f"provider {name!r}: takes no target, got {target!r}. Use plugin:{name}.")
    try:
        return opener.open(target) if target and isinstance(opener, Openable) else family()
    except TypeError as error:
        what = f"opened with {target!r} alone" if target else "built without arguments"
        raise ConfigError(
            f"provider {name!r}: cannot be {what} ({error}). Name it as plugin:{name}:TARGET, or make "
            "it in Python."
        ) from error
