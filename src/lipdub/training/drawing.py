"""Pictures of a run: its curves, and samples. Arrays in, arrays out; writing is the last function."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import OutputError

Picture = npt.NDArray[np.uint8]
"""[H, W, 3] RGB."""

PANEL = (480, 220)
"""Width and height of one curve's panel, in pixels."""
LEFT, TOP, RIGHT, BOTTOM = 64, 24, 12, 22
"""Margins of a panel, for its numbers."""
COLUMNS = 2
POINTS = 240
"""At most so many points a curve; each is the mean of the rows it stands for."""
INK, FAINT, CURVE = (40, 40, 40), (215, 215, 215), (30, 90, 200)
FONT, SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def curves(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Picture:
    """A panel for each name: its value over the steps, thinned by means.

    Args:
        rows: of a log.
        names: of fields; those that no row has are left out.
    """
    series = [(name, [(row["step"], row[name]) for row in rows if name in row]) for name in names]
    panels = [_panel(name, np.array(points, np.float64)) for name, points in series if points]
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % COLUMNS) if panels else []
    lines = [np.hstack(panels[k : k + COLUMNS]) for k in range(0, len(panels), COLUMNS)]
    return np.vstack(lines) if lines else np.full((PANEL[1], PANEL[0], 3), 255, np.uint8)


def thinned(points: npt.NDArray[np.float64], most: int = POINTS) -> npt.NDArray[np.float64]:
    """At most `most` points [n, 2], each the mean of its neighbours."""
    parts = np.array_split(points, min(most, len(points)))
    return np.array([part.mean(axis=0) for part in parts])


def sheet(rows: Sequence[npt.NDArray[np.float32]], names: Sequence[str]) -> Picture:
    """Pictures in rows, each with its name.

    Args:
        rows: for each name, pictures [n, S, S, 3], −1 to 1.
        names: what the rows show.
    """
    lines = []
    for row, name in zip(rows, names, strict=True):
        line = np.hstack(list(np.rint((row.clip(-1, 1) + 1) * 127.5).astype(np.uint8)))
        title = np.full((18, line.shape[1], 3), 255, np.uint8)
        cv2.putText(title, name, (4, 13), FONT, SIZE, INK, 1, cv2.LINE_AA)
        lines += [title, line]
    return np.vstack(lines)


def write_png(path: Path, picture: Picture) -> None:
    """Write a picture under a temporary name, then rename it.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        part.replace(path)
    except OSError as exc:
        with suppress(OSError):
            part.unlink()
        raise OutputError(f"The picture {path} cannot be written ({exc.strerror}).") from exc


def _panel(name: str, points: npt.NDArray[np.float64]) -> Picture:
    """One curve; on a logarithmic scale where all values are above 0 and differ by more than ten times."""
    points = thinned(points)
    steps, values = points.T
    logarithmic = values.min() > 0 and values.max() > 10 * values.min()
    scaled = np.log10(values) if logarithmic else values
    low, high = float(scaled.min()), float(scaled.max())
    width, height = PANEL
    picture = np.full((height, width, 3), 255, np.uint8)
    cv2.rectangle(picture, (LEFT, TOP), (width - RIGHT, height - BOTTOM), FAINT, 1)
    x = LEFT + (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (width - RIGHT - LEFT)
    y = height - BOTTOM - (scaled - low) / max(high - low, 1e-12) * (height - BOTTOM - TOP)
    line = np.rint(np.stack((x, y), axis=1)).astype(np.int32)
    if len(line) == 1:  # a line of one point shows nothing
        cv2.circle(picture, line[0].tolist(), 2, CURVE, -1, cv2.LINE_AA)
    cv2.polylines(picture, [line], isClosed=False, color=CURVE, thickness=1, lineType=cv2.LINE_AA)
    marks = [
        (f"{name}{' (log)' if logarithmic else ''}: {values[-1]:.4g}", (LEFT, TOP - 8)),
        (f"{values.max():.3g}", (4, TOP + 8)),
        (f"{values.min():.3g}", (4, height - BOTTOM)),
        (f"{steps[0]:.0f}", (LEFT, height - 6)),
        (f"{steps[-1]:.0f}", (width - RIGHT - 60, height - 6)),
    ]
    for text, place in marks:
        cv2.putText(picture, text, place, FONT, SIZE, INK, 1, cv2.LINE_AA)
    return picture
