"""Weights on disk: what is written is read back, and nothing else is."""

import json
import shutil

import numpy as np
import pytest

from mcplugin.errors import WeightsError
from mcplugin.learning.radial_map import free_map, thermal_map
from mcplugin.learning.weights import Weights, default_weights, load_weights, save_weights


@pytest.fixture
def copy(tmp_path):
    """The shipped weights, to be damaged."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(default_weights().with_suffix(suffix), tmp_path / f"copy{suffix}")
    return tmp_path / "copy.safetensors"


def _edit_card(path, **changes):
    card = json.loads(path.with_suffix(".json").read_text())
    card |= changes
    path.with_suffix(".json").write_text(json.dumps(card))


def test_round_trip(tmp_path):
    """Tensors to the bit, and the card with hash and shapes added."""
    tensors = {"base": np.arange(7.0), "modulation": np.ones((2, 7)), "theta_scale": np.ones(2)}
    save_weights(
        tmp_path / "a.safetensors",
        Weights(tensors, {"form": "thermal", "theta_range": [1e-3, 100.0]}),
    )
    read = load_weights(tmp_path / "a.safetensors")
    for name, tensor in tensors.items():
        assert np.array_equal(read.tensors[name], tensor)
    assert read.theta_range == (1e-3, 100.0)
    assert read.card["shapes"]["modulation"] == [2, 7]
    assert thermal_map(read).units == 2


def test_shipped_weights_are_small_and_documented():
    """Below 100 kB; the card holds what a reader needs: D after each stage, range, hash."""
    path = default_weights()
    assert path.stat().st_size < 100_000
    card = load_weights().card
    assert card["theta_range"][0] <= 1e-3
    assert card["theta_range"][1] == 100.0
    assert [stage["objective"] for stage in card["stages"]][-1] == "optimal-1d"
    assert card["stages"][0]["objective"] in ("classic", "wgan-gp", "energy")
    assert card["stages"][-1]["distance_max"] == card["distance_max"] <= 3e-5
    assert card["parameters_per_condition"] <= 300
    for key in ("latent", "output", "configuration", "versions", "sha256"):
        assert card[key]


def test_truncated(copy):
    """A byte short."""
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"copy\.safetensors is not the file"):
        load_weights(copy)


def test_altered(copy):
    """One bit flipped in the numbers."""
    content = bytearray(copy.read_bytes())
    content[-5] ^= 1
    copy.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(copy)


def _with_true_hash(path):
    import hashlib

    _edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_garbage_with_a_true_hash(copy):
    """A file that is no safetensors at all, even if the card vouches for it."""
    copy.write_bytes(b"\x80\x04\x95" + bytes(100))
    _with_true_hash(copy)
    with pytest.raises(WeightsError, match="no safetensors"):
        load_weights(copy)


def test_not_finite(copy):
    """NaN among the numbers is refused when read, and when written."""
    from safetensors.numpy import save

    tensors = dict(load_weights(copy).tensors)
    tensors["base"] = np.where(np.arange(tensors["base"].size) == 3, np.nan, tensors["base"])
    copy.write_bytes(save(tensors))
    _with_true_hash(copy)
    with pytest.raises(WeightsError, match=r"base .* not finite"):
        load_weights(copy)
    with pytest.raises(WeightsError, match="not finite"):
        save_weights(copy, Weights(tensors, {}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"card_version": 99}, "card version 99"),
        ({"card_version": None}, "card version None"),
        ({"shapes": {"base": [1]}}, "not the shapes"),
        ({"sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_wrong_card(copy, changes, said):
    """A card of another version, or of another file."""
    _edit_card(copy, **changes)
    with pytest.raises(WeightsError, match=said):
        load_weights(copy)


def test_missing(tmp_path, copy):
    """No file, no card, a card that is no card."""
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors"):
        load_weights(tmp_path / "nowhere.safetensors")
    copy.with_suffix(".json").write_text("[1, 2]")
    with pytest.raises(WeightsError, match="no card"):
        load_weights(copy)
    copy.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match="cannot read"):
        load_weights(copy)
    copy.with_suffix(".json").write_text('{"card_version": 1}')
    with pytest.raises(WeightsError, match="lacks form"):
        load_weights(copy)


def test_another_form(copy):
    """Weights of the free form make no thermal sampler, and the other way round."""
    weights = load_weights(copy)
    with pytest.raises(WeightsError, match="thermal"):
        thermal_map(Weights(weights.tensors, {**weights.card, "form": "free"}))
    with pytest.raises(WeightsError, match="free"):
        free_map(weights)


def test_arrays_that_do_not_fit(copy):
    """Shapes that the card agrees with but the architecture does not."""
    weights = load_weights(copy)
    for name, wrong in (
        ("base", np.ones(5)),
        ("modulation", np.ones((1, 2))),
        ("theta_scale", -np.ones(3)),
    ):
        with pytest.raises(WeightsError, match="fit together"):
            thermal_map(Weights({**weights.tensors, name: wrong}, weights.card))
    with pytest.raises(WeightsError, match="lack"):
        thermal_map(Weights({}, weights.card))
