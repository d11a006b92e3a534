"""What was measured of a clip, kept in files, so that a stopped evaluation goes on."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lipdub.disk import telling
from lipdub.evaluation.measure import Measured
from lipdub.evaluation.summary import Clip

FEATURES = ".npz"
FIGURES = ".json"


def keep(folder: Path, key: str, name: str, clip: Clip) -> None:
    """Write what was measured of a clip; the figures, which say that it is complete, come last.

    Args:
        folder: it is made if need be.
        key: of all that decides the figures, fit for a file's name.
        name: of the clip, for people.
        clip: by systems.

    Raises:
        RenderError: the disk does not take it.
    """
    with telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{key}.part"
        with part.open("wb") as file:
            np.savez(file, *(m.features for m in clip.values() if m.features is not None))
        part.replace(folder / (key + FEATURES))
        systems = {n: _plain(m.figures) for n, m in clip.items()}
        arrays = [n for n, m in clip.items() if m.features is not None]
        content = {"clip": name, "systems": systems, "features": arrays}
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
        part.replace(folder / (key + FIGURES))


def kept(folder: Path, key: str) -> dict[str, Measured] | None:
    """What was kept of a clip; None if it was not, or is damaged."""
    try:
        content = json.loads((folder / (key + FIGURES)).read_text("utf-8"))
        with np.load(BytesIO((folder / (key + FEATURES)).read_bytes())) as arrays:
            features = {name: arrays[f"arr_{i}"] for i, name in enumerate(content["features"])}
        systems = content["systems"].items()
        return {name: Measured(_numbers(figures), features.get(name)) for name, figures in systems}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, BadZipFile):
        return None


def _plain(figures: Mapping[str, float]) -> dict[str, float | str | None]:
    """As JSON has them: what is not known is null, and what is infinite a word."""
    return {k: None if np.isnan(v) else str(v) if np.isinf(v) else v for k, v in figures.items()}


def _numbers(figures: Mapping[str, float | str | None]) -> dict[str, float]:
    return {key: float("nan") if value is None else float(value) for key, value in figures.items()}
