"""How near the networks of a search of faces come to what one core can do, step by step.

::

    python benchmarks/speed/networks.py [--rows 100] [--rounds 15] [--give-back]

The shipped generator's decoder and critic in the form that they once had, and with each change by
itself, called in turn (A, B, ..., A, B, ...) so that a busy machine slows all alike. Processor time,
one thread. Printed for each form: milliseconds for 100 candidates (median, quartiles), how many times
faster it is than the first form of this very run (median of the ratios of each round, quartiles), the
largest difference of its numbers from the first form's, and its share of the processor's peak, which a
product of two 1024 x 1024 matrices and a 3 x 3 convolution of 128 channels give in the same rounds (the
better of the two counts); and the page faults of one call. The last line is both networks together, as
a search calls them. Freed memory is kept, as every command keeps it; with ``--give-back`` it is not.
"""

import argparse
import io
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.datasets import faces
from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.generators.attgan.folded import FoldedDecoder, FoldedState, fold
from cfsearch.generators.attgan.generator import AttGAN, AttGANWithCritic
from cfsearch.generators.attgan.networks import Critic

Form = Callable[[], Tensor]


def former_decode(decoder: FoldedDecoder, state: FoldedState, values: Tensor, *, rows: int = 32) -> Tensor:
    """The decoder of one image as it was: responses added one by one, each in memory of its own."""
    (n, a), size = values.shape[1:], decoder.config.size
    code, out = ((values - 0.5) * decoder.config.scale).reshape(n, a), values.new_empty(n, 3, size, size)
    for first in range(0, n, rows):
        part_of = slice(first, first + rows)
        x = code[part_of]
        owner = torch.zeros(len(x), dtype=torch.long)
        for i, (block, part) in enumerate(zip(decoder.blocks, state.parts, strict=True)):
            fixed = part if part.shape[2] == 1 else part[owner]
            if block.pattern.numel():
                given = code[part_of] @ block.pattern.flatten(1)
                fixed = fixed + given.view(len(x), *block.pattern.shape[1:]).permute(0, 3, 1, 2)
            if i == 0:
                x = functional.relu(fixed)
            elif i < len(decoder.blocks) - 1:
                x = functional.relu(functional.conv_transpose2d(x, block.kernel, stride=2, padding=1) + fixed)
            else:
                x = torch.tanh(_quarters(x, block.kernel) + fixed)
        out[part_of] = x
    return (out * 0.5 + 0.5).clamp(0.0, 1.0)


def _quarters(x: Tensor, kernel: Tensor) -> Tensor:
    n, _, h, w = x.shape
    o = len(kernel) // 4
    found, out = functional.conv2d(x, kernel, padding=1), x.new_empty(n, o, 2 * h, 2 * w)
    for i in range(4):
        down, across = divmod(i, 2)
        out[:, :, down::2, across::2] = found[:, i * o : (i + 1) * o, down : down + h, across : across + w]
    return out


def in_pieces(x: Tensor, rows: int, judge: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([judge(part) for part in torch.split(x, rows)])


def channels_last(x: Tensor) -> Tensor:
    return (x * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)


class _Realness(nn.Module):
    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, x: Tensor) -> Tensor:
        return self.critic.real(x * 2.0 - 1.0)


class _Decoding(nn.Module):
    def __init__(self, decoder: FoldedDecoder, state: FoldedState) -> None:
        super().__init__()
        self.decoder, self.state = decoder, state
        self.patterns = [
            b.pattern.permute(0, 3, 1, 2).flatten(1) if b.pattern.numel() else b.pattern
            for b in decoder.blocks
        ]
        # the kernel that the last block's four quarters were cut from
        quarters = decoder.blocks[-1].kernel.unflatten(0, (2, 2, 3))
        whole = torch.zeros(quarters.shape[3], 3, 4, 4)
        for down, rows in enumerate(([3, 1], [2, 0])):
            for across, columns in enumerate(([3, 1], [2, 0])):
                for j, row in enumerate(rows):
                    for k, column in enumerate(columns):
                        whole[:, :, row, column] = quarters[down, across, :, :, j, k].T
        self.kernels = [*(block.kernel for block in decoder.blocks[:-1]), whole]

    def forward(self, values: Tensor) -> Tensor:
        code = (values - 0.5) * self.decoder.config.scale
        x = code
        for i, (block, part) in enumerate(zip(self.decoder.blocks, self.state.parts, strict=True)):
            fixed = part
            if block.pattern.numel():
                fixed = part + (code @ self.patterns[i]).view(-1, part.shape[1], *block.pattern.shape[1:3])
            x = (
                fixed
                if i == 0
                else functional.conv_transpose2d(x, self.kernels[i], stride=2, padding=1) + fixed
            )
            x = torch.tanh(x) if i == len(self.kernels) - 1 else functional.relu(x)
        return x * 0.5 + 0.5


def runtime(module: nn.Module, example: Tensor, *, rows: int) -> Callable[[Tensor], Tensor]:
    """The same network in onnxruntime, one thread."""
    import onnxruntime

    file: Any = io.BytesIO()  # Any: torch takes a buffer and types a path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example[:2],),
            file,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.cat(
        [torch.from_numpy(session.run(None, {"x": part.numpy()})[0]) for part in torch.split(x, rows)]
    )


def forms(generator: AttGANWithCritic, x: Tensor, z: Tensor) -> tuple[dict[str, Form], dict[str, Form]]:
    content = generator.content
    assert content.critic is not None
    decoder, critic = fold(content.editor), content.critic
    state = generator.encode(x)
    values = state.origin[:, None] + z
    images = generator.decode(state, z)[0].clone()
    in_runtime = runtime(_Decoding(decoder, state.folded), values[0], rows=25)
    judged_in_runtime = runtime(_Realness(critic), images, rows=50)
    decoding: dict[str, Form] = {
        "former, 32 rows": lambda: former_decode(decoder, state.folded, values),
        "onnxruntime, 25 rows": lambda: in_runtime(values[0]),
    }
    for rows in (16, 32, 50, 100):
        narrow = replace(decoder, rows=rows)
        decoding[f"lean, {rows} rows"] = lambda one=narrow: one.decode(state.folded, values)[0]
    judging: dict[str, Form] = {
        "former, 64 rows": lambda: in_pieces(images, 64, lambda p: critic(p * 2.0 - 1.0).real),
        "one head": lambda: in_pieces(images, 64, lambda p: critic.real(p * 2.0 - 1.0)),
        "one head, one piece": lambda: in_pieces(images, len(images), lambda p: critic.real(p * 2.0 - 1.0)),
        "as it is: channels last too": lambda: generator.realism(images[None])[0],
        "channels last, 50 rows": lambda: in_pieces(images, 50, lambda p: critic.real(channels_last(p))),
        "onnxruntime, 50 rows": lambda: judged_in_runtime(images),
    }
    return decoding, judging


def flops(work: Form) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:7.2f} ({low:.2f} to {high:.2f})"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--give-back", action="store_true", help="let malloc do as it does by default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = not arguments.give_back and keep_freed_memory()
    with as_file(files("cfsearch.models").joinpath("attgan_faces64.safetensors")) as path:
        generator = AttGAN.open(path, settings={})
    assert isinstance(generator, AttGANWithCritic)
    x = torch.from_numpy(faces.faces(1, seed=99).images).float() / 255.0
    space = generator.space(generator.encode(x))
    unit = torch.rand(1, arguments.rows, space.d, generator=torch.Generator().manual_seed(0))
    z = space.lower[:, None] + unit * (space.upper - space.lower)[:, None]
    decoding, judging = forms(generator, x, z)

    square = torch.rand(1024, 1024)
    wide = torch.rand(16, 128, 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = torch.rand(128, 128, 3, 3).contiguous(memory_format=torch.channels_last)
    peaks: dict[str, tuple[Form, float]] = {
        "matrices": (lambda: square @ square, 2.0 * 1024**3),
        "convolution": (lambda: functional.conv2d(wide, kernel, padding=1), 2.0 * 16 * 1024 * 128 * 128 * 9),
    }
    # what the networks need at the least: the lean decoder, and the critic with one head
    needed = {
        "decoder": flops(decoding["lean, 50 rows"]),
        "critic": flops(judging["one head"]),
    }
    work: dict[tuple[str, str], Form] = {("peak", name): one for name, (one, _) in peaks.items()}
    work |= {("decoder", name): one for name, one in decoding.items()}
    work |= {("critic", name): one for name, one in judging.items()}
    truth = {group: next(one() for (g, _), one in work.items() if g == group) for group in needed}
    spent: dict[tuple[str, str], list[float]] = {name: [] for name in work}
    faulted: dict[tuple[str, str], list[int]] = {name: [] for name in work}
    for one in work.values():
        one()
    for _ in range(arguments.rounds):
        for name, one in work.items():
            begin, before = time.process_time(), faults()
            one()
            spent[name].append(time.process_time() - begin)
            faulted[name].append(faults() - before)
    peak = max(flop / statistics.median(spent["peak", name]) for name, (_, flop) in peaks.items())
    print(
        f"{arguments.rows} candidates, {arguments.rounds} rounds, one thread, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, freed memory {'kept' if kept else 'given back'}"
    )
    for name, (_, flop) in peaks.items():
        print(f"peak by {name}: {flop / statistics.median(spent['peak', name]) / 1e9:.0f} GFLOP/s")
    print(f"{'':36}{'ms per 100':>26}{'times faster':>26}{'difference':>12}{'of peak':>9}{'faults':>9}")
    for group, flop in needed.items():
        mine = [name for g, name in work if g == group]
        base = spent[group, mine[0]]
        for name in mine:
            taken = spent[group, name]
            ratio = quartiles([b / t for b, t in zip(base, taken, strict=True)])
            off = float((work[group, name]() - truth[group]).abs().max())
            share = flop / statistics.median(taken) / peak
            cost = quartiles([1e5 * t / arguments.rows for t in taken])
            print(
                f"{group + ': ' + name:36}{cost:>26}{ratio:>26}{off:>12.1e}{share:>9.2f}{statistics.median(faulted[group, name]):>9.0f}"
            )
    used = [
        sum(pair)
        for pair in zip(
            spent["decoder", "lean, 50 rows"], spent["critic", "as it is: channels last too"], strict=True
        )
    ]
    once = [
        sum(pair)
        for pair in zip(spent["decoder", "former, 32 rows"], spent["critic", "former, 64 rows"], strict=True)
    ]
    ratio = quartiles([b / t for b, t in zip(once, used, strict=True)])
    share = sum(needed.values()) / statistics.median(used) / peak
    cost = quartiles([1e5 * t / arguments.rows for t in used])
    print(f"{'both, as a search calls them':36}{cost:>26}{ratio:>26}{'':>12}{share:>9.2f}")


if __name__ == "__main__":
    main()
