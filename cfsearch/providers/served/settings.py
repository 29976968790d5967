"""``[served]`` of a sidecar: how a model behind an address is queried."""

from typing import Annotated, ClassVar, Final, Literal, final

from pydantic import ConfigDict, Field

from cfsearch.config.checking import Counted

ProtocolName = Literal["oip", "tfserving", "mlflow", "huggingface", "torchserve", "template"]
PictureForm = Literal["tensor", "png", "jpeg"]
PROTOCOLS: Final[tuple[ProtocolName, ...]] = (
    "oip",
    "tfserving",
    "mlflow",
    "huggingface",
    "torchserve",
    "template",
)


@final
class ServedTable(Counted):
    """``[served]``: how a model behind an address is queried; all of it may be left out.

    Args:
        protocol: "oip" (Open Inference Protocol v2: KServe, Triton, MLServer, OVMS), "tfserving"
            (``:predict``), "mlflow" (``/invocations``), "huggingface", "torchserve" or "template"; decided by
            the address when left out.
        input: name of the model's input; the server's own when left out.
        form: how pictures are sent: "tensor" (numbers), or "png" or "jpeg" files.
        binary: of "oip", whether tensors are sent and answered as bytes (the binary extension) instead of JSON.
        template: of "template", the body as JSON text, with ``"$inputs"`` where the list of inputs stands, or
            ``"$input"`` for one input a request; ``"$ids"`` or ``"$id"`` where their numbers stand.
        pointer: JSON pointer (RFC 6901) to the scores in the answer, ``/data/scores``.
        ids: JSON pointer to the numbers of the inputs in the answer, where it may come in another order.
        headers: sent with each request; secrets by reference, ``env:NAME`` or ``file:PATH``.
        concurrency: most requests at once; fewer while the server refuses or is slow.
        rate: most requests a second; no limit when left out.
        timeout: seconds that the server may be silent within a request.
        deadline: seconds that one request may take in all, waits and repetitions included.
        attempts: how often a request is tried.
        max_response: largest answer in MiB.

    References:
        Open Inference Protocol, https://github.com/kserve/open-inference-protocol; JSON pointer, RFC 6901.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    protocol: ProtocolName | None = None
    input: Annotated[str, Field(min_length=1)] | None = None
    form: PictureForm = "tensor"
    binary: bool = False
    template: Annotated[str, Field(min_length=2)] | None = None
    pointer: str | None = None
    ids: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    deadline: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    max_response: Annotated[int, Field(ge=1, le=4096)] = 64
