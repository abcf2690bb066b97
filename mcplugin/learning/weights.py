"""Trained weights on disk: numbers in safetensors, everything else in a JSON card.

Nothing here needs torch, and no pickle is ever read. A generator is loaded only if its file is
the very one that its card describes.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import file_path, instance_of
from mcplugin.errors import OutputError, WeightsError

Array = NDArray[np.float64]

CARD_VERSION = 1
DEFAULT_NAME = "mj-cgan"


@dataclass(frozen=True)
class Weights:
    """A trained generator.

    Attributes
    ----------
    tensors : dict of str to float64 arrays
        Parameters by name; see :mod:`mcplugin.learning.radial_map` for what they mean.
    card : dict
        Architecture, range of validity, training, measured distances.
    """

    tensors: dict[str, Array]
    card: dict[str, Any]

    @property
    def theta_range(self) -> tuple[float, float]:
        """Temperatures for which the generator was trained."""
        low, high = self.card["theta_range"]
        return float(low), float(high)


def default_weights(name: str = DEFAULT_NAME) -> Path:
    """A generator that comes with the package, by default that of Maxwell-Jüttner electrons."""
    package = Path(__file__).resolve().parents[1]
    # In a source tree the weights lie beside the package, in an installed one within it.
    folder = package / "weights" if (package / "weights").is_dir() else package.parent / "weights"
    return folder / f"{name}.safetensors"


def save_weights(path: str | os.PathLike[str], weights: Weights) -> None:
    """Write ``NAME.safetensors`` and beside it the card ``NAME.json`` with the file's SHA-256.

    Raises
    ------
    WeightsError
        If a parameter is not finite.
    OutputError
        If the files cannot be written.
    """
    from safetensors.numpy import save

    path = file_path("path", path)
    instance_of("weights", weights, Weights, "take them from a training or from load_weights")
    for name, tensor in weights.tensors.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{name} of {path} is not finite: nothing was written")
    tensors = {name: np.ascontiguousarray(t, np.float64) for name, t in weights.tensors.items()}
    content = save(tensors)
    card = {
        **weights.card,
        "card_version": CARD_VERSION,
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "shapes": {name: list(tensor.shape) for name, tensor in sorted(tensors.items())},
    }
    try:
        path.write_bytes(content)
        path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error


def load_weights(path: str | os.PathLike[str] | None = None) -> Weights:
    """Read a generator and verify it against its card.

    Parameters
    ----------
    path : path-like, optional
        The ``.safetensors`` file; its card is the ``.json`` beside it. By default the generator
        that comes with the package.

    Raises
    ------
    WeightsError
        Naming the file and what is wrong with it: missing, altered, truncated, of another version,
        with other shapes than its card says, or with numbers that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = default_weights() if path is None else file_path("weights", path)
    card_path = path.with_suffix(".json")
    try:
        content = path.read_bytes()
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read the weights {path} with their card: {error}") from error
    _check_card(card, card_path)
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise WeightsError(f"{path} is not the file that {card_path.name} describes (SHA-256)")
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is no safetensors file: {error}") from error
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if shapes != card["shapes"]:
        raise WeightsError(f"{path} holds {shapes}, not the shapes of its card {card['shapes']}")
    for name, tensor in tensors.items():
        if tensor.dtype != np.float64 or not np.isfinite(tensor).all():
            raise WeightsError(f"{name} in {path} is not finite float64")
    return Weights(tensors, card)


def _check_card(card: Any, path: Path) -> None:
    if not isinstance(card, dict) or "card_version" not in card:
        raise WeightsError(f"{path} is no card of a generator")
    if card["card_version"] != CARD_VERSION:
        raise WeightsError(
            f"{path} has card version {card['card_version']}, this program reads {CARD_VERSION}: "
            "use weights and program of one release"
        )
    missing = {"sha256", "shapes", "form", "theta_range"} - card.keys()
    if missing:
        raise WeightsError(f"{path} lacks {', '.join(sorted(missing))}")
