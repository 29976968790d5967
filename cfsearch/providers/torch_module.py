"""An audited model that is a torch network."""

import copy
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import DifferentiableProvider, ScoreKind
from cfsearch.errors import ConfigError, cause_of
from cfsearch.registry import object_at

from .answering import AnsweringProvider
from .foreign import foreign_code
from .outputs import scores_in
from .pixel_clues import Clue, module_clues
from .preprocessing import Preprocessing
from .probes import infer_signature
from .sidecar import assumed_range, sidecar_of, sidecar_path
from .weights import Weights, fill, read_weights

MAX_BATCH: Final = 256
"""Inputs in one call where nobody says otherwise."""
_SHORT: Final = (torch.float16, torch.bfloat16)


@final
class TorchProvider(AnsweringProvider, DifferentiableProvider):
    """A torch network; gradients of its scores reach the inputs.

    The network is copied and the copy set to evaluation, so that the user's own is left alone.

    Args:
        module: inputs as ``preprocessing`` gives them -> one row of scores an input.
        labels: one a class; for a network with a single output [negative, positive].
        scores: what its numbers are.
        preprocessing: how images are brought to it; None gives it the inputs as they come.
        device: "cpu", "cuda" or "cuda:1".
        max_batch: most inputs in one call.
        name: for messages and results.
        source: a hash of the weights' file, where they came from one.
        note: what the reader of a result must know about the scores.
        assumed: whether ``preprocessing`` was assumed, not declared.
        output: the part of its answer that holds the scores, where it returns several; None to find it.

    Raises:
        ConfigError: fewer than two labels, whole-number pixels (no gradients pass), or a
            device that is not there.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> model = TorchProvider(network, labels=("no", "yes"), scores=ScoreKind.LOGITS)
        >>> tuple(model.predict(torch.rand(5, 3, 2, 2)).shape)
        (5, 2)
    """

    family = "torch"

    def __init__(
        self,
        module: nn.Module,
        *,
        labels: tuple[str, ...],
        scores: ScoreKind,
        preprocessing: Preprocessing | None = None,
        device: str = "cpu",
        max_batch: int = MAX_BATCH,
        name: str = "torch",
        source: str | None = None,
        note: str = "",
        assumed: bool = False,
        output: str | None = None,
    ) -> None:
        if len(labels) < 2:
            raise ConfigError(f"torch: `labels` must name at least 2 classes, got {labels!r}.")
        check_distinct(labels, where="torch: `labels`")
        if max_batch < 1:
            raise ConfigError(f"torch: `max_batch` must be at least 1, got {max_batch}.")
        if preprocessing is not None and not preprocessing.differentiable:
            raise ConfigError(
                "torch: dtype uint8 lets no gradient pass, got it in `preprocessing`. Convert to "
                "whole numbers inside the network, or use a CallableProvider."
            )
        self.labels: tuple[str, ...] = tuple(labels)
        self.scores = scores
        self.name = name
        self.max_batch = max_batch
        self.preprocessing = preprocessing
        self._device: Final = _device(device)
        self._module: Final = copy.deepcopy(module).eval().requires_grad_(False).to(self._device)
        self.source: str = source or _hash_of(self._module)
        self.notes = note
        self.read_as: str = ""
        self._assumed: Final = assumed
        self._output: Final = output
        self._dtype: Final = (
            None if preprocessing and preprocessing.dtype != "float32" else _computes_in(self._module)
        )

    @classmethod
    def open(
        cls,
        weights: str | Path | Weights,
        *,
        arch: str,
        sidecar: str | Path | None = None,
        device: str = "cpu",
        max_batch: int | None = None,
        probe: Float[Tensor, "p w"] | None = None,
    ) -> "TorchProvider":
        """The network that ``arch`` builds, with the weights of a file.

        Args:
            weights: ``.safetensors``, or a checkpoint in ``.pt`` or ``.pth``, parsed
                without running anything; or what was read from one.
            arch: ``pkg.mod:build``, a function without arguments that returns the network;
                this is the user's own code and is run.
            sidecar: its TOML, by default ``weights.toml`` beside the weights.
            device: "cpu", "cuda" or "cuda:1".
            max_batch: most inputs in one call, instead of the sidecar's.
            probe: of a model of tables, rows as it takes them, to ask about first.

        Raises:
            ModelFileError: the weights cannot be read or do not fit the network.
            UnsafeModelError: loading the file would run code.
            ConfigError: ``arch`` or the sidecar is wrong.
            ProviderError: the network failed at its first query.
        """
        read = weights if isinstance(weights, Weights) else read_weights(weights)
        path = read.path
        declared = sidecar_of(path, given=None if sidecar is None else Path(sidecar))
        where = str(sidecar or sidecar_path(path))
        module = _built(arch)
        filled = fill(module, read, arch=arch, chosen=declared.weights, where=where)
        preprocessing = declared.input.over(Preprocessing()) if probe is None else None
        return cls.inferred(
            module,
            labels=declared.labels,
            scores=declared.kind,
            preprocessing=preprocessing,
            device=device,
            max_batch=max_batch or declared.max_batch or MAX_BATCH,
            name=declared.name or path.stem,
            source=":".join([read.sha256, arch, *([f"weights-{filled.name}"] if filled.name else [])]),
            probe=probe,
            who=str(path),
            where=where,
            remark=filled.note,
            assumed=assumed_range(declared.input, preprocessing, where=where),
            output=declared.output,
        )

    @classmethod
    def inferred(
        cls,
        module: nn.Module,
        *,
        labels: tuple[str, ...] | None,
        scores: ScoreKind | None,
        where: str,
        preprocessing: Preprocessing | None = None,
        device: str = "cpu",
        max_batch: int = MAX_BATCH,
        name: str = "torch",
        source: str | None = None,
        probe: Float[Tensor, "p *x"] | None = None,
        who: str | None = None,
        remark: str = "",
        assumed: str = "",
        output: str | None = None,
    ) -> "TorchProvider":
        """A network whose labels and kind of scores are found out where they are not declared.

        Args:
            module: inputs as ``preprocessing`` gives them -> one row of scores an input.
            labels: one a class; None where not declared.
            scores: what its numbers are; None where not declared.
            where: what can declare them, for messages.
            preprocessing: how images are brought to it; None gives it the inputs as they come.
            device: "cpu", "cuda" or "cuda:1".
            max_batch: most inputs in one call.
            name: for results.
            source: a hash of the weights' file, where they came from one.
            probe: inputs to ask about first, instead of known ones.
            who: for messages; the name when left out.
            remark: what else the reader must know.
            assumed: what was assumed about its pictures, for the reader.
            output: the part of its answer that holds the scores; None to find it.

        Raises:
            ModelFileError: the labels do not fit its answers.
            ProviderError: it failed at its first query.
        """
        trial = cls(
            module,
            labels=labels or ("0", "1"),
            scores=scores or ScoreKind.LOGITS,
            preprocessing=preprocessing,
            device=device,
            max_batch=max_batch,
            name=name,
            source=source,
            output=output,
        )
        signature = infer_signature(
            trial.in_pieces,
            preprocessing=preprocessing,
            labels=labels,
            scores=scores,
            probe=probe,
            who=who or name,
            where=where,
        )
        return cls(
            trial._module,
            labels=signature.labels,
            scores=signature.scores,
            preprocessing=preprocessing,
            device=device,
            max_batch=max_batch,
            name=name,
            source=trial.source,
            note=" ".join(
                part for part in (signature.note, trial.read_as, trial.precision, remark, assumed) if part
            ),
            assumed=bool(assumed),
            output=output,
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the network, see ``AnsweringProvider``, with the part of its answer that is read."""
        return f"{super().fingerprint}{'' if self._output is None else f':output-{self._output}'}"

    @property
    def pixel_clues(self) -> tuple[Clue, ...]:
        """What the network's structure says about the pixels that it takes."""
        return () if self.preprocessing is None else module_clues(self._module, assumed=self._assumed)

    def raw(self, x: Float[Tensor, "n *x"]) -> Tensor:
        """The network's own numbers; gradients reach ``x`` where it asks for them."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and x.requires_grad):
            x = x.to(self._device)
            ready = self.preprocessing.apply(x) if self.preprocessing else x
            given = f"inputs of shape {tuple(ready.shape)}"
            with foreign_code(self.name, part="the network", given=given, n=len(x)):
                answer = self._module(ready if self._dtype is None else ready.to(self._dtype))
        found = scores_in(answer, output=self._output, n=len(x), who=self.name)
        self.read_as = found.note
        return found.scores.float() if found.scores.dtype in _SHORT else found.scores

    @property
    def precision(self) -> str:
        """That the network computes in few digits, where it does; else empty."""
        if self._dtype not in _SHORT:
            return ""
        kind = str(self._dtype).removeprefix("torch.")
        return (
            f"The network computes in {kind}, to which its inputs are rounded; so its scores have few digits."
        )


def _computes_in(module: nn.Module) -> torch.dtype | None:
    """The one type of a network's weights, where it is another than float32."""
    kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
    only = kinds.pop() if len(kinds) == 1 else torch.float32
    return only if only in (*_SHORT, torch.float64) else None


def _built(arch: str) -> nn.Module:
    build = object_at(arch, what="--arch")
    try:
        module = build()
    except Exception as error:  # the user's code may raise anything
        raise ConfigError(
            f"--arch: {arch} must build the network without arguments, but it failed: {cause_of(error)}."
        ) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"--arch: {arch} must return a torch.nn.Module, got {type(module).__name__}.")
    return module


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"torch: `device` must be 'cpu', 'cuda' or 'cuda:N', got {name!r}.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"torch: `device` must be 'cpu', 'cuda' or 'cuda:N', got {name!r}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"torch: device {name!r} is not there ({torch.cuda.device_count()} CUDA devices found). "
            "Use --device cpu."
        )
    return device


def _hash_of(module: nn.Module) -> str:
    from hashlib import sha256

    digest = sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
