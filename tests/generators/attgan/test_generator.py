"""AttGAN by the contract: conformance, files, refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cfsearch.contracts.generator import AttributeEstimator, Critic, Generator
from cfsearch.errors import CapabilityError, ConfigError, ModelFileError, RunError, ShapeError
from cfsearch.generators.attgan import networks as attgan_networks
from cfsearch.generators.attgan.config import AttGANConfig
from cfsearch.generators.attgan.files import AttGANFile, load_attgan, save_attgan
from cfsearch.generators.attgan.generator import AttGAN, AttGANWithCritic
from cfsearch.testing import GeneratorCase

TINY = AttGANConfig(size=64, layers=3, width=4, critic_width=4, critic_hidden=8)


def content(*, critic: bool = True, config: AttGANConfig = TINY) -> AttGANFile:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        editor = attgan_networks.Editor(config).eval().requires_grad_(False)
        judge = attgan_networks.Critic(config).eval().requires_grad_(False) if critic else None
    return AttGANFile(editor, judge, "a critic of the test" if critic else "", (0.0, 1.0), {"made": "here"})


def images(n: int) -> Tensor:
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class TestAttGANContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> Generator[Any]:  # Any: as in the case
        return AttGANWithCritic(content(), dead_zone=0.05)


class TestAttGANWithoutCriticContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> Generator[Any]:  # Any: as in the case
        return AttGAN(content(critic=False), attributes=("Male", "Young"), attribute_range=(-0.5, 1.5))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_attgan(tmp_path / "g.safetensors", content())


def test_a_file_gives_back_what_was_saved(saved: Path) -> None:
    found = AttGAN.open(saved, settings={})
    assert isinstance(found, AttGANWithCritic)
    assert isinstance(found, Critic)
    assert isinstance(found, AttributeEstimator)
    assert found.critic_kind == "a critic of the test"
    assert found.card == {"made": "here"}
    direct = AttGANWithCritic(content())
    x = images(2)
    z = torch.full((2, 1, 13), 0.1)
    made = found.decode(found.encode(x), z)
    assert torch.allclose(made, direct.decode(direct.encode(x), z), atol=5e-3)  # half precision


def test_a_file_without_halving_is_exact(tmp_path: Path) -> None:
    path = save_attgan(tmp_path / "g.safetensors", content(), half=False)
    assert AttGAN.open(path, settings={}).fingerprint == AttGANWithCritic(content()).fingerprint


def test_a_generator_without_a_critic_makes_no_promise_of_one(tmp_path: Path) -> None:
    path = save_attgan(tmp_path / "g.safetensors", content(critic=False))
    found = AttGAN.open(path, settings={})
    assert not isinstance(found, Critic)
    with pytest.raises(CapabilityError, match="train critic"):
        found.encode(images(1))
    given = found.encode(images(1), attributes=torch.ones(1, 13))
    assert given.origin.tolist() == [[1.0] * 13]
    assumed = AttGAN.open(path, settings={"attributes": ["Young"]})
    assert float(assumed.encode(images(1)).origin.sum()) == 1.0


def test_what_is_given_holds_and_the_rest_is_estimated() -> None:
    generator, x = AttGANWithCritic(content()), images(2)
    estimated = generator.encode(x).origin
    told = torch.full((2, 13), torch.nan)
    told[0, 3], told[1, 7] = 1.0, 0.0
    origin = generator.encode(x, attributes=told).origin
    assert (origin[0, 3].item(), origin[1, 7].item()) == (1.0, 0.0)
    assert torch.equal(origin[told.isnan()], estimated[told.isnan()])
    bare = AttGAN(content(critic=False))
    assert torch.equal(bare.encode(x, attributes=told.nan_to_num(0.5)).origin, told.nan_to_num(0.5))
    with pytest.raises(CapabilityError, match="--attributes"):
        bare.encode(x, attributes=told)


def test_no_change_is_the_reconstruction() -> None:
    generator = AttGANWithCritic(content())
    x = images(2)
    state = generator.encode(x)
    plain = generator.content.editor(x * 2 - 1, state.origin) * 0.5 + 0.5
    assert torch.allclose(generator.decode(state, torch.zeros(2, 1, 13))[:, 0], plain, atol=1e-5)


def test_the_space_reaches_from_the_own_attributes_to_the_range() -> None:
    generator = AttGANWithCritic(content(), attribute_range=(-0.5, 1.5), dead_zone=0.1)
    own = torch.tensor([[0.0, 1.0] + [0.25] * 11])
    space = generator.space(generator.encode(images(1), attributes=own))
    assert torch.equal(space.lower, -0.5 - own)
    assert torch.equal(space.upper, 1.5 - own)
    assert torch.equal(space.origin, own)
    assert space.names == TINY.attributes
    assert ("Bald", "Bangs") in space.groups
    assert space.dead_zone == 0.1


def test_a_confident_estimate_counts_as_certain() -> None:
    class Sure(AttGANWithCritic):
        def attributes(self, x: Tensor) -> Tensor:
            return torch.tensor([0.02, 0.98, 0.5] + [0.3] * 10).expand(len(x), 1, 13)

    origin = Sure(content()).encode(images(1)).origin[0]
    assert origin[:3].tolist() == pytest.approx([0.0, 1.0, 0.5])
    assert float(origin[3]) == pytest.approx(0.25)


def test_on_another_device_its_range_dead_zone_and_attributes_stay() -> None:
    generator = AttGAN(
        content(critic=False), attributes=("Male", "Young"), attribute_range=(-0.5, 1.5), dead_zone=0.1
    )
    moved = generator.to("cpu:0")  # another name of the same device, and a copy
    assert moved is not generator
    assert (moved.attribute_range, moved.dead_zone) == ((-0.5, 1.5), 0.1)
    assert moved.content.attribute_range == generator.content.attribute_range
    assert moved.fingerprint == generator.fingerprint


def test_gradients_reach_the_change_and_the_realism() -> None:
    generator = AttGANWithCritic(content())
    z = torch.zeros(1, 2, 13, requires_grad=True)
    generator.realism(generator.decode(generator.encode(images(1)), z)).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert z.grad is not None
    assert bool((z.grad != 0).any())


def test_the_fingerprint_follows_weights_range_and_attributes() -> None:
    base = AttGANWithCritic(content())
    other = content()
    next(other.editor.parameters()).data.view(-1)[0] += 1.0
    prints = {
        base.fingerprint,
        AttGANWithCritic(other).fingerprint,
        AttGANWithCritic(content(), attribute_range=(-0.5, 1.5)).fingerprint,
        AttGANWithCritic(content(), attributes=("Male",)).fingerprint,
    }
    assert len(prints) == 4
    assert AttGANWithCritic(content()).fingerprint == base.fingerprint


def test_a_published_file_opens_with_its_wider_range(tmp_path: Path) -> None:
    weights = {}
    for ours, value in content().editor.state_dict().items():
        name = ours.replace("encoder.blocks", "enc_layers").replace("decoder.blocks", "dec_layers")
        weights[name.replace(".conv.", ".layers.0.").replace(".norm.", ".layers.1.")] = value
    torch.save({"G": weights}, tmp_path / "weights.9.pth")
    found = AttGAN.open(
        tmp_path / "weights.9.pth", settings={"size": 64, "slope": 0.2, "attributes": ["Male"]}
    )
    assert found.attribute_range == (-0.5, 1.5)
    assert found.config.slope == 0.2
    assert not isinstance(found, Critic)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 1}, "unknown setting 'depth'"),
        ({"low": 0.2}, "`attribute_range`"),
        ({"high": "x"}, "`high`"),
        ({"high": float("inf")}, "`high`"),
        ({"dead_zone": 1.0}, "`dead_zone`"),
        ({"attributes": "Male"}, "list of names"),
        ({"attributes": ["Beard"]}, "unknown attribute 'Beard'"),
        ({"size": 64}, "`size` is read from"),
    ],
)
def test_a_wrong_setting_is_named(
    saved: Path, settings: dict[str, Any], message: str
) -> None:  # Any: of every type
    with pytest.raises(ConfigError, match=message):
        AttGAN.open(saved, settings=settings)


def test_it_needs_a_file() -> None:
    with pytest.raises(ConfigError, match="needs a file"):
        AttGAN.open(None, settings={})


def test_inputs_of_another_shape_are_refused() -> None:
    generator = AttGANWithCritic(content())
    with pytest.raises(ShapeError, match=r"\(b, 3, 64, 64\)"):
        generator.encode(torch.rand(1, 3, 32, 32))
    with pytest.raises(ShapeError, match=r"attributes of shape \(1, 13\)"):
        generator.encode(images(1), attributes=torch.ones(1, 12))
    with pytest.raises(ShapeError, match=r"\(1, n, 13\)"):
        generator.decode(generator.encode(images(1)), torch.zeros(1, 2, 12))


def test_a_critic_is_needed_for_one_with_a_critic() -> None:
    with pytest.raises(ConfigError, match="no critic"):
        AttGANWithCritic(content(critic=False))


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "g.safetensors"
    path.write_bytes(damage)
    with pytest.raises(ModelFileError, match="no safetensors file"):
        load_attgan(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no such file"):
        load_attgan(tmp_path / "none.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="expected the format"):
        load_attgan(tmp_path / "other.safetensors")


def rewritten(path: Path, **changes: Any) -> None:  # Any: whatever JSON holds
    config = {**TINY.to_json(), **changes}
    metadata = {"format": "cfsearch.attgan/1", "config": json.dumps(config)}
    save_file(load_file(path), path, metadata)


def test_settings_that_do_not_fit_the_weights_list_five_keys(saved: Path) -> None:
    rewritten(saved, width=8)
    with pytest.raises(ModelFileError, match=r"and \d+ more") as caught:
        load_attgan(saved)
    assert str(caught.value).count("editor.") == 5


def test_a_crafted_size_takes_no_memory(saved: Path) -> None:
    rewritten(saved, width=10**6, max_width=10**9, critic_hidden=10**9)
    with pytest.raises(ModelFileError, match="do not fit"):
        load_attgan(saved)


@pytest.mark.parametrize("change", [{"size": -1}, {"layers": 10**9}, {"magic": 1}, {"width": "4"}])
def test_settings_out_of_range_are_refused(saved: Path, change: dict[str, Any]) -> None:  # Any: of every type
    rewritten(saved, **change)
    with pytest.raises(ModelFileError, match="settings"):
        load_attgan(saved)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    bad = content()
    next(bad.editor.parameters()).data.view(-1)[0] = float("nan")
    path = save_attgan(tmp_path / "g.safetensors", bad)
    with pytest.raises(ModelFileError, match="not finite"):
        load_attgan(path)


def test_a_card_says_terms_and_what_edits_were_seen_at_the_files_own_range(tmp_path: Path) -> None:
    measured = {
        "attributes": {"Bald": {"strength": 0.2}, "Young": {"strength": None}, "Hat": {"strength": 1.0}}
    }
    card = {
        "terms": "non-commercial research only",
        "edit_success": {"Bald": 0.1, "Young": 1.0},
        "measured": measured,
    }
    whole = replace(content(), attribute_range=(-0.5, 1.5), card=card)
    found = AttGAN.open(save_attgan(tmp_path / "g.safetensors", whole), settings={})
    assert found.terms == "non-commercial research only"
    assert found.edit_success == {"Bald": 0.1, "Young": 1.0}
    assert found.edit_strength == {"Bald": 0.2}
    narrower = AttGAN.open(tmp_path / "g.safetensors", settings={"low": 0.0})
    assert narrower.terms == found.terms
    assert narrower.edit_success == {} and narrower.edit_strength == {}  # nobody measured there
    assert found.fingerprint == AttGAN.open(tmp_path / "g.safetensors", settings={}).fingerprint


def test_the_attribute_range_of_a_file_is_read_under_its_older_name_too(tmp_path: Path) -> None:
    path = save_attgan(tmp_path / "g.safetensors", replace(content(), attribute_range=(-0.25, 1.5)))
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no mapping
    metadata["reach"] = metadata.pop("attribute_range")
    save_file(tensors, tmp_path / "old.safetensors", metadata)
    assert load_attgan(tmp_path / "old.safetensors").attribute_range == (-0.25, 1.5)


@pytest.mark.parametrize(
    "card",
    [
        {"terms": 3},
        {"edit_success": [0.5]},
        {"edit_success": {"Hat": 0.5}},
        {"edit_success": {"Bald": 1.5}},
        {"edit_success": {"Bald": True}},
    ],
)
def test_a_card_that_cannot_be_read_is_refused(tmp_path: Path, card: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(card))):
        replace(content(), card=card)
    path = save_attgan(tmp_path / "g.safetensors", content())
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), "card": json.dumps(card)}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    save_file(tensors, path, metadata)
    with pytest.raises(ModelFileError, match="the card in"):
        load_attgan(path)


def test_a_failed_writing_leaves_the_old_file(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(RunError):
        save_attgan(tmp_path / "none" / "g.safetensors", content())
    assert saved.read_bytes() == before
    save_attgan(saved, replace(content(), card={"made": "again"}))
    assert load_attgan(saved).card == {"made": "again"}
    assert [p.name for p in tmp_path.iterdir()] == ["g.safetensors"]
