"""Load what a job needs: the network that paints mouths and the one that finds faces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lipdub import weights
from lipdub.errors import LipdubError
from lipdub.faces.detect import FaceLandmarker
from lipdub.options import SyncOptions
from lipdub.progress import Progress, Step, silent
from lipdub.render import Inpainter

LANDMARKER = "face_landmarker"
BATCH_SIZES = {"cpu": 4, "mps": 8, "cuda": 32}
"""Faces at once, by kind of device, where the user does not say."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An inpainter, and where its weights are from.

    Attributes:
        inpainter: what paints mouths.
        weights: name or path of its weights.
        sha256: their hash, if they have one.
        notes: what a user should know, a sentence each.
    """

    inpainter: Inpainter
    weights: str
    sha256: str | None
    notes: tuple[str, ...] = ()


def load_engine(options: SyncOptions, progress: Progress = silent) -> Engine:
    """Load the network that the options name, onto the device they name.

    Raises:
        WeightsError: unknown, unreachable or damaged weights, or weights of another network.
        DeviceError: no such device or precision here.
    """
    from lipdub.diffusion import LipInpainter, select_device
    from lipdub.models import load_checkpoint

    device, dtype = select_device(options.device, options.precision)
    file = weights.resolve(options.weights, progress=_bytes(options.weights, progress))
    inpainter = LipInpainter(
        load_checkpoint(file.path),
        device,
        dtype,
        options.batch_size or BATCH_SIZES[device.type],
        options.sampling_steps,
        seed=options.seed,
        sampler=options.sampler,
    )
    return Engine(inpainter, file.name or str(file.path), file.sha256, _licence_notes(file))


def load_landmarker(progress: Progress = silent) -> FaceLandmarker:
    """MediaPipe's face landmarker, fetched if need be.

    Raises:
        WeightsError: it cannot be had.
    """
    return FaceLandmarker(fetch(LANDMARKER, progress))


def fetch(name: str, progress: Progress = silent) -> Path:
    """The file of a catalogue name, fetched if need be.

    Raises:
        WeightsError: it cannot be had.
    """
    return weights.locate(name, progress=_bytes(name, progress))


def fetch_all(names: Sequence[str], progress: Progress = silent) -> dict[str, Path]:
    """The files of several names; those that can be had are fetched, even if others cannot.

    Raises:
        WeightsError: of the first that could not be had, after all were tried.
    """
    files: dict[str, Path] = {}
    failures: list[LipdubError] = []
    for name in names:
        try:
            files[name] = fetch(name, progress)
        except LipdubError as exc:
            failures.append(exc)
    if failures:
        raise failures[0]
    return files


def _licence_notes(file: weights.WeightsFile) -> tuple[str, ...]:
    notice = weights.notice_once(weights.load_catalogue()[file.name]) if file.name else None
    return (notice,) if notice else ()


def _bytes(name: str, progress: Progress) -> Callable[[int, int | None], None]:
    return lambda done, total: progress(Step(f"fetch {name}", done, total, "bytes"))
