"""An ONNX model turned into a torch network, so that gradients reach its inputs."""

from pathlib import Path
from typing import Any, Final, final

import onnx
import torch
from jaxtyping import Float
from onnx import version_converter
from onnx.external_data_helper import load_external_data_for_model
from torch import Tensor, nn

from cfsearch.contracts.provider import DifferentiableProvider, ScoreKind
from cfsearch.errors import CapabilityError, MissingExtraError, ModelFileError

from .onnx.file import read_onnx_file
from .onnx.provider import OnnxProvider
from .probes import known_inputs, largest_gap
from .torch_module import TorchProvider

_TOLERANCE: Final = 1e-4
_CHECKED: Final = 8
_SIZE_WHERE_FREE: Final = 64
_OPSETS: Final = (None, 18, 17, 13)
"""As it is, then converted: the operators that onnx2torch knows differ by version."""


def differentiable(
    provider: OnnxProvider, *, device: str = "cpu", probe: Float[Tensor, "p w"] | None = None
) -> DifferentiableProvider:
    """The same model in torch, checked against onnxruntime on the same inputs.

    Args:
        provider: the model as it is queried.
        device: where the torch network runs.
        probe: of a model of tables, rows as it takes them, to compare the two on.

    Raises:
        CapabilityError: it gives labels only or takes whole-number pixels, or tables without a
            ``probe``: no gradient passes.
        MissingExtraError: onnx2torch is not installed.
        ModelFileError: the file has changed, an operator cannot be converted, or the two
            differ by more than 1e-4 of the scores' scale.
    """
    if provider.scores is ScoreKind.LABELS:
        raise CapabilityError(
            f"{provider.name}: gives labels only, which have no gradient. Use a solver without one."
        )
    before = provider.preprocessing
    if before is None and probe is not None:
        x = probe.float()
    elif before is not None and before.differentiable:
        x = known_inputs((3, *(before.size or (_SIZE_WHERE_FREE, _SIZE_WHERE_FREE))), n=_CHECKED)
    else:
        raise CapabilityError(
            f"{provider.name}: expected a model of images as fractions, got one of whole-number "
            "pixels or tables; no gradient passes. Use a solver without one."
        )
    file = read_onnx_file(provider.path)
    if file.sha256 != provider.sha256:
        raise ModelFileError(f"{provider.path}: has changed since it was opened. Open it again.")
    model = onnx.ModelProto()
    model.CopyFrom(file.model)  # type: ignore[no-untyped-call]  # protobuf has no types
    if file.external:
        load_external_data_for_model(model, str(Path(provider.path).parent))
    outputs = [o.name for o in file.model.graph.output]
    network = _Wired(
        _converted(provider.path, model),
        place=outputs.index(provider.output) if len(outputs) > 1 else None,
        batch=provider.fixed_batch,
        column=provider.column,
    )
    made = TorchProvider(
        network,
        labels=provider.labels,
        scores=provider.scores,
        preprocessing=before,
        device=device,
        max_batch=provider.max_batch,
        name=provider.name,
        source=f"onnx2torch:{file.sha256}",
        note=provider.note,
    )
    truth = provider.predict(x)
    gap = largest_gap(made.predict(x), truth)
    scale = max(1.0, float(truth[torch.isfinite(truth)].abs().max()) if truth.isfinite().any() else 1.0)
    if gap > _TOLERANCE * scale:
        raise ModelFileError(
            f"{provider.path}: converted to torch it differs from onnxruntime by {gap:.3g} on known "
            f"inputs, expected at most {_TOLERANCE * scale:.3g}. Use a solver without gradients."
        )
    return made


@final
class _Wired(nn.Module):
    """A converted network that reads one of several outputs, or one number of it, and fills up a fixed batch."""

    def __init__(
        self, network: nn.Module, *, place: int | None, batch: int | None, column: int | None
    ) -> None:
        super().__init__()
        self.network = network
        self.place = place
        self.batch = batch
        self.column = column

    def forward(self, x: Tensor) -> Tensor:
        """The chosen output, one row an input."""
        n = len(x)
        if self.batch is not None and n < self.batch:
            x = torch.cat([x, x[-1:].expand(self.batch - n, *x.shape[1:])])
        answer: Any = self.network(x)  # Any: a tensor, or several for several outputs
        chosen: Tensor = answer if self.place is None else answer[self.place]
        return chosen[:n] if self.column is None else chosen[:n].flatten(1)[:, self.column, None]


def _converted(path: Path, model: onnx.ModelProto) -> nn.Module:
    """The network; ``model`` is the caller's own copy and is changed."""
    try:
        from onnx2torch import convert
    except ModuleNotFoundError as error:
        if error.name != "onnx2torch":
            raise
        raise MissingExtraError(
            "gradients through an ONNX model need onnx2torch, which is not installed. Run: pip "
            "install 'cfsearch[gradients]'."
        ) from error
    for node in model.graph.node:
        if node.op_type == "Reshape":
            # torch's exporter sets allowzero, which onnx2torch refuses though it matters for empty
            # shapes alone; the check against onnxruntime would show it if it ever did.
            kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
    trouble: Exception | None = None
    for opset in _OPSETS:
        try:
            turned = model if opset is None else version_converter.convert_version(model, opset)
            network: nn.Module = convert(turned)
        except Exception as error:  # noqa: BLE001  # both packages raise many kinds for what they do not know
            trouble = trouble or error
        else:
            return network
    raise ModelFileError(
        f"{path}: cannot be converted to torch: {' '.join(str(trouble).split())[:200]}. Use a method or solver "
        "without gradients, a surrogate (`cfsearch distill`), or give the torch network itself."
    ) from trouble
