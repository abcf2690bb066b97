"""How figures are kept: medians with quartiles, in dated JSON files that name the machine."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.fidelity.provenance import machine

RESULTS = Path(__file__).with_name("results")


def spread(values: NDArray[np.float64] | list[float]) -> dict[str, Any]:
    """Median and quartiles."""
    low, middle, high = (rounded(value) for value in np.percentile(values, [25, 50, 75]))
    return {"median": middle, "quartiles": [low, high]}


def rounded(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


def keep(out: Path, command: str, figures: dict[str, Any], **of_machine: Any) -> None:
    """Write figures with the command that measured them and the machine it ran on."""
    kept = {
        "date": date.today().isoformat(),
        "command": command,
        "machine": {**machine(), **of_machine},
        **figures,
    }
    out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def newest(kind: str, folder: Path = RESULTS) -> Path | None:
    """The latest ``DATE-kind.json`` in a folder, None if there is none."""
    return max(folder.glob(f"????-??-??-{kind}.json"), default=None)


def load(path: Path) -> dict[str, Any]:
    """What :func:`keep` wrote."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
