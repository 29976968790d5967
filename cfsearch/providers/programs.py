"""Programs that torch saved, TorchScript and ``torch.export``, as modules in evaluation."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, final

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_map

from cfsearch.errors import ModelFileError

_SWITCHES: Final = {
    "aten::dropout": 2,
    "aten::dropout_": 2,
    "aten::feature_dropout": 2,
    "aten::alpha_dropout": 2,
    "aten::feature_alpha_dropout": 2,
    "aten::batch_norm": 5,
}
"""Operations that act otherwise in training, and which argument says so."""
_TRAINED: Final = ("aten::native_dropout", "aten::_native_batch_norm_legit", "aten::native_batch_norm")
"""Their decomposed forms, which cannot be set to evaluation."""
_AGAIN: Final = "call model.eval() before it is"


@final
@dataclass(frozen=True, slots=True)
class ProgramInput:
    """What an exported program states about its input; None where it is free.

    Args:
        shape: one number a dimension, None where any is taken.
        dtype: of its numbers.
    """

    shape: tuple[int | None, ...]
    dtype: torch.dtype

    @property
    def picture(self) -> dict[str, Any]:
        """Size, channels and layout of pictures, as ``[input]`` has them; empty where they are free."""
        if len(self.shape) != 4:
            return {}
        last = self.shape[3] in (1, 3) and self.shape[1] not in (1, 3)
        channels, height, width = self.shape[3:] + self.shape[1:3] if last else self.shape[1:]
        stated: dict[str, Any] = {"layout": "nhwc" if last else "nchw"}
        if channels in (1, 3):
            stated["channels"] = channels
        if height is not None and width is not None:
            stated["size"] = (height, width)
        return stated


class Program(nn.Module):
    """A loaded program as a module: in batches of the size and numbers of the type that it takes.

    Its own kind does not let all of a module's methods be called, so it is no submodule.

    Args:
        program: the program.
        takes: what it states about its input; None where it states nothing.
        remark: what the reader of a result must know.
    """

    def __init__(self, program: nn.Module, *, takes: ProgramInput | None = None, remark: str = "") -> None:
        super().__init__()
        self._program: Final = (program,)
        self.takes: Final = takes
        self.remark: Final = remark

    def forward(self, x: Tensor) -> object:
        """The program's answer."""
        if self.takes is not None and x.dtype != self.takes.dtype:
            x = x.to(self.takes.dtype)
        batch = self.takes.shape[0] if self.takes is not None and self.takes.shape else None
        if batch is None or len(x) == batch:
            answer: object = self._program[0](x)
            return answer
        answers = [self._of_a_batch(piece, batch) for piece in torch.split(x, batch)]
        return _joined(answers)

    def _of_a_batch(self, x: Tensor, batch: int) -> object:
        full = x if len(x) == batch else torch.cat([x, x[-1:].expand(batch - len(x), *x.shape[1:])])
        return tree_map(
            lambda part: part[: len(x)] if isinstance(part, Tensor) and part.shape[:1] == (batch,) else part,
            self._program[0](full),
        )


def _joined(answers: list[object]) -> object:
    """Answers to pieces as one: the tensors of each place behind one another."""
    from torch.utils._pytree import tree_flatten, tree_unflatten

    flat = [tree_flatten(answer) for answer in answers]
    places = zip(*(leaves for leaves, _ in flat), strict=True)
    joined = [
        torch.cat(list(parts)) if isinstance(parts[0], Tensor) and parts[0].ndim else parts[0]
        for parts in places
    ]
    return tree_unflatten(joined, flat[0][1])


def script(content: bytes, *, device: str) -> Program:
    """The TorchScript program in a file's bytes; loading it can run code.

    Args:
        content: of the file.
        device: "cpu", "cuda" or "cuda:1".

    Raises:
        ModelFileError: it normalises by its own batch, as in training, whatever it is set to.
    """
    program: nn.Module = torch.jit.load(BytesIO(content), map_location=device).eval()  # type: ignore[no-untyped-call]  # untyped
    graph: Any = getattr(program, "inlined_graph", None)  # Any: torch's own graph has no types
    kinds: set[str] = set()
    for kind, place in _SWITCHES.items():
        for node in graph.findAllNodes(kind, recurse=True) if graph is not None else ():
            if list(node.inputs())[place].toIValue() is True:
                kinds.add(kind)
    if "aten::batch_norm" in kinds:
        raise ModelFileError(
            "a TorchScript program that was traced in training: its batch normalisation goes by each batch of inputs. "
            f"{_AGAIN.capitalize()} traced"
        )
    remark = (
        "The program was traced in training, so that its dropout is always at work and answers vary; "
        f"{_AGAIN} traced."
        if kinds
        else ""
    )
    kinds_of_numbers = {p.dtype for p in program.parameters() if p.is_floating_point()} or _frozen(graph)
    if len(kinds_of_numbers) == 1:
        dtype = kinds_of_numbers.pop()
        return Program(
            program, takes=ProgramInput(shape=(), dtype=dtype), remark=_with_precision(remark, dtype)
        )
    return Program(program, remark=remark)


def _frozen(graph: Any) -> set[torch.dtype]:  # Any: torch's own graph has no types
    """Types of the weights of a program that was frozen, whose weights are constants of its graph."""
    nodes = graph.findAllNodes("prim::Constant", recurse=True) if graph is not None else ()
    values = [node.output().toIValue() for node in nodes if node.output().type().kind() == "TensorType"]
    return {v.dtype for v in values if isinstance(v, Tensor) and v.ndim and v.is_floating_point()}


def exported(content: bytes) -> Program:
    """The ``torch.export`` program in a file's bytes, set to evaluation; loading it can run code.

    Args:
        content: of the file.

    Raises:
        ModelFileError: it takes several inputs, or cannot be set to evaluation.
    """
    loaded = torch.export.load(BytesIO(content))
    names = set(loaded.graph_signature.user_inputs)
    inputs = [node for node in loaded.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1:
        raise ModelFileError(
            f"a program of {len(inputs)} inputs ({', '.join(node.name for node in inputs)}), expected one. Export a "
            "module that takes the pictures or rows alone and holds the others"
        )
    module = loaded.module()
    changed = _evaluated(module)
    value = inputs[0].meta.get("val")
    takes = None
    if isinstance(value, Tensor):
        shape = tuple(size if isinstance(size, int) else None for size in value.shape)
        takes = ProgramInput(shape=shape, dtype=value.dtype)
    remark = (
        f"The program was exported in training; its {' and '.join(changed)} {'were' if len(changed) > 1 else 'was'} set to evaluation. If that is not how it "
        f"is used, {_AGAIN} exported."
        if changed
        else ""
    )
    if takes is not None:
        remark = _with_precision(remark, takes.dtype)
    return Program(module, takes=takes, remark=remark)


def _with_precision(remark: str, dtype: torch.dtype) -> str:
    if dtype not in (torch.float16, torch.bfloat16):
        return remark
    kind = str(dtype).removeprefix("torch.")
    return f"{remark} The program computes in {kind}, to which its inputs are rounded.".strip()


def _evaluated(module: fx.GraphModule) -> list[str]:
    """Sets what acts otherwise in training to evaluation; returns what it was."""
    changed: set[str] = set()
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        kind = "::".join(str(node.target).split(".")[:2])  # aten.dropout.default -> aten::dropout
        if kind.startswith(_TRAINED) and True in node.args:
            raise ModelFileError(
                f"a program that was exported in training ({kind.removeprefix('aten::')}); {_AGAIN} exported"
            )
        place = _SWITCHES.get(kind)
        if place is not None and len(node.args) > place and node.args[place] is True:
            node.args = (*node.args[:place], False, *node.args[place + 1 :])
            changed.add("batch normalisation" if "norm" in kind else "dropout")
    if changed:
        module.recompile()
    return sorted(changed)
