"""Opening a file of torch weights."""

from pathlib import Path

from cfsearch.contracts.provider import Provider

from .request import ModelRequest
from .torch_weights import open_read
from .trust import open_trusted
from .weights import RunsCodeError, read_weights


def open_weights(request: ModelRequest) -> Provider:
    """The network of ``request.arch`` with the weights of a file.

    Args:
        request: with a schema for rows, encoded as the sidecar says.

    Raises:
        ConfigError: no ``arch`` is given, or it does not build a network.
        ModelFileError, UnsafeModelError: as ``TorchProvider.open``.
    """
    try:
        read = read_weights(Path(request.path))  # a file that would run code is refused as such
    except RunsCodeError:
        if request.trust_model is None:
            raise
        return open_trusted(request, given=request.trust_model)
    return open_read(request, read=read)
