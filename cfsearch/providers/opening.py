"""Opening of audited models of images by file, function or plug-in; ``open_tabular`` for tables."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from cfsearch import registry
from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError, ModelFileError, PluginError, UnsafeModelError, cause_of
from cfsearch.files import why_no_file
from cfsearch.places import is_file, is_folder, is_there
from cfsearch.registry import is_path, load, load_object

from .endings import RUNS_CODE
from .foreign_files import about_file, about_folder
from .request import ModelRequest
from .served.address import address_meant, is_address
from .shards import is_index

_NEED_ARCH: Final = (".pt", ".pth", ".safetensors")
_NO_NETWORK_S_SIZE: Final = (73, 73)
"""Pictures of this size are taken as they are only by a network that takes any."""


@runtime_checkable
class Openable(Protocol):
    """A provider class that a user may name as ``plugin:NAME:TARGET``."""

    def open(self, target: str, /) -> Provider:
        """The provider of a target: a path, an address, whatever the plug-in takes."""
        ...


def open_provider(
    spec: str | Path | Provider | Callable[..., object],
    *,
    sidecar: str | Path | None = None,
    arch: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    max_batch: int | None = None,
    deadline_s: float | None = None,
    trust_model: str | None = None,
) -> Provider:
    """Open an audited model by file, ``module:function`` or ``plugin:NAME``.

    Args:
        spec: a file whose ending a plug-in claims (``model.onnx``; ``weights.safetensors``, ``.pt``
            or ``.pth`` with ``arch``); an address, ``https://host/v2/models/m`` or ``tfserving+https://...``
            (``cfsearch.providers.served``); ``pkg.mod:predict``; or ``plugin:NAME``, ``plugin:NAME:TARGET`` for an installed
            plug-in, built without arguments or opened with its target. Or a model of the running program: a torch
            module or a function of pictures, as ``cfsearch.search`` takes it; a provider is given back.
        sidecar: a TOML with labels, scores and preprocessing; by default beside the model.
        arch: ``pkg.mod:build`` of the network that the weights belong to.
        device: "cpu", "cuda" or "cuda:1"; a function and a plug-in choose their own.
        threads: cores for one operator of an ONNX model.
        max_batch: most inputs in one call.
        deadline_s: seconds that one call of a function may take.
        trust_model: ``sha256:...`` of a file that may run code when it is loaded.

    Raises:
        ModelFileError: the file is missing, cannot be read or does not fit.
        UnsafeModelError: the file would run code, or reaches outside its folder.
        ConfigError: the form is unknown, not supported yet, or a setting is wrong.

    Example:
        >>> from importlib.resources import files
        >>> model = open_provider(str(files("cfsearch") / "models" / "gender_natural.onnx"))
        >>> model.name, model.labels
        ('gender_natural', ('not Male', 'Male'))
    """
    if isinstance(spec, Path):
        spec = str(spec)
    if not isinstance(spec, str):
        of_files = {"arch": arch, "threads": threads, "max_batch": max_batch, "deadline_s": deadline_s}
        return _open_object(spec, sidecar=sidecar, device=device, of_files=of_files)
    if not spec.strip():
        raise ConfigError(
            "model: its name is an empty text. Name a file, an address, pkg.mod:predict or plugin:NAME."
        )
    if spec.startswith("plugin:"):
        return open_plugin(spec)
    if is_address(spec):
        from .served.opening import open_served

        return open_served(spec, sidecar=sidecar, max_batch=max_batch)
    if is_path(spec) and not is_there(spec):
        from .callable import CallableProvider

        return CallableProvider.open(spec, sidecar=sidecar, deadline_s=deadline_s, max_batch=max_batch)
    return open_file(
        ModelRequest(
            path=spec,
            sidecar=None if sidecar is None else str(sidecar),
            arch=arch,
            device=device,
            threads=threads,
            max_batch=max_batch,
            trust_model=trust_model,
        )
    )


def _open_object(
    model: object, *, sidecar: str | Path | None, device: str, of_files: Mapping[str, object]
) -> Provider:
    """The provider of a model of the running program."""
    if isinstance(model, Provider):
        return model
    from .live import live_provider
    from .sidecar import Sidecar, read_sidecar

    if given := [name for name, value in of_files.items() if value is not None]:
        raise ConfigError(
            f"open_provider: `{given[0]}` is for models that are named by a path; got an object "
            f"({type(model).__name__}). Leave it out."
        )
    declared = Sidecar() if sidecar is None else read_sidecar(sidecar)
    return live_provider(
        model,
        shape=(3, *(declared.input.size or _NO_NETWORK_S_SIZE)),
        labels=declared.labels,
        scores=declared.kind,
        preprocessing=declared.input.model_dump(exclude_none=True),
        device=device,
        name=declared.name,
    )


def open_file(request: ModelRequest) -> Provider:
    """The model in a file, opened by the plug-in that claims its ending.

    Endings are entry points of the group ``cfsearch.providers`` (``.onnx``), of cfsearch itself and of
    other packages alike.

    Args:
        request: the file, and the settings to open it with.

    Raises:
        ConfigError: no plug-in claims the ending, or a setting is wrong.
        PluginError: two packages claim it, or it gives no provider.
        ModelFileError, UnsafeModelError: the file cannot be read, or would run code.
    """
    path = Path(request.path)
    suffix = path.suffix.lower()
    if request.trust_model is not None and is_file(path) and runs_code(suffix):
        from .trust import open_trusted

        return open_trusted(request, given=request.trust_model)
    if not is_file(path) or not suffix or suffix not in registry.installed("providers"):
        from .weights import is_checkpoint

        if is_file(path) and (is_index(path) or is_checkpoint(path)):
            from .torch_opening import open_weights

            return open_weights(request)
        raise refused(path)
    opener = load_object("providers", suffix)
    if isinstance(opener, type):
        if not (issubclass(opener, Provider) and isinstance(opener, Openable)):
            raise PluginError(f"provider {suffix!r}: {opener.__name__} must be a Provider with `open(path)`.")
        return opener.open(str(path))
    made = opener(request) if callable(opener) else opener
    if not isinstance(made, Provider):
        raise PluginError(
            f"provider {suffix!r}: expected a function from a ModelRequest to a Provider, which gave "
            f"{type(made).__name__}. Correct the plug-in."
        )
    return made


def runs_code(suffix: str) -> bool:
    """Whether files of an ending run code when they are loaded, whatever is in them.

    Args:
        suffix: in lower case, ``.pkl``.
    """
    return suffix in RUNS_CODE


def refused(path: Path) -> ModelFileError | ConfigError | UnsafeModelError:
    """The error for a file that is no model of any form."""
    from .weights import refusal

    suffix = path.suffix.lower()
    if path.name.endswith(" in memory>"):
        return ModelFileError(
            f"model: {path.name[1:-1]!r} was an object of the program that made this run, not a file. Give the model "
            "itself to cfsearch.audit, or the path of its file."
        )
    if not is_there(path):
        meant = address_meant(str(path))
        hint = f" Of a server, write its address: {meant}" if meant else ""
        return ModelFileError(f"{path}: there is no such model file. A model is one of: {_forms()}.{hint}")
    if is_folder(path):
        return ModelFileError(about_folder(path))
    if wrong := why_no_file(path):
        return ModelFileError(f"{path}: expected a model file, but {wrong}. Name a file that can be read.")
    if suffix in RUNS_CODE:
        return refusal(path, RUNS_CODE[suffix])
    if sentence := about_file(path):
        return ConfigError(sentence)
    return ConfigError(f"{path}: its ending names no kind of model. A model is one of: {_forms()}.")


def _forms() -> str:
    """What a model may be, for messages; with the endings of installed plug-ins."""
    endings = [name for name in registry.installed("providers") if name.startswith(".")]
    files = ", ".join(f"{ending} (with --arch)" if ending in _NEED_ARCH else ending for ending in endings)
    return f"a file ending in {files}; an address, https://...; pkg.mod:predict; plugin:NAME"


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
            f"provider {name!r}: cannot be {what} ({cause_of(error)}). Name it as plugin:{name}:TARGET, or make "
            "it in Python."
        ) from error
