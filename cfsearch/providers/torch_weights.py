"""Torch weights that were read, as a model of images, or of rows of a table."""

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError

from .request import ModelRequest
from .sidecar import sidecar_at
from .tabular import ColumnOrder, EncodedProvider
from .torch_module import TorchProvider
from .weights import Weights


def open_read(request: ModelRequest, *, read: Weights) -> Provider:
    """The network of ``request.arch`` with weights that were read.

    Args:
        request: as for ``open_weights``.
        read: the weights.

    Raises:
        ConfigError: no ``arch`` is given, or it does not build a network.
        ModelFileError: the weights do not fit the network.
    """
    if request.arch is None:
        raise ConfigError(
            f"{request.path}: holds weights alone. Name the function that builds the network: --arch pkg.mod:build."
        )
    order = probe = None
    if request.schema is not None and request.probes is not None:
        declared, where = sidecar_at(request.path, given=request.sidecar)
        order = ColumnOrder.of(request.schema, declared.encoding, where=where)
        probe = order.arranged(order.encoding.apply(request.probes.double())).float()
    network = TorchProvider.open(
        read,
        arch=request.arch,
        sidecar=request.sidecar,
        device=request.device,
        max_batch=request.max_batch,
        probe=probe,
    )
    if order is None or request.probes is None:
        return network
    return EncodedProvider(network, order=order, probes=request.probes)
