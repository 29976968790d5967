"""What the terminal shows of an audit of several models."""

from pathlib import Path

from .conftest import Call, Flags, Toys


def test_a_model_without_a_flip_has_no_table_and_the_next_one_has(
    call: Call, toys: Toys, fast: Flags, tmp_path: Path
) -> None:
    models = [toys.model("still.onnx", slope=0.0), toys.model("alive.onnx")]
    flags = [word for model in models for word in ("--model", model)]
    answer = call("audit", "--images", toys.pictures(count=2), *flags, *fast, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert any(line.startswith("still: 0 of 2 searched images") for line in lines)
    assert any(line.startswith("alive: 2 of 2 searched images") for line in lines)
    assert "still:" not in lines
    [place] = [i for i, line in enumerate(lines) if line == "alive:"]
    assert any("the sparsest flip changes" in line for line in lines[place : place + 3])
