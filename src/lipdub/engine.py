"""Load what a job needs: the network that paints mouths and the one that finds faces."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub import weights
from lipdub.errors import LipdubError
from lipdub.faces.detect import FaceDetector, FaceLandmarker
from lipdub.faces.identity import SFace
from lipdub.faces.restore import Blended, OnnxRestorer, Restorer
from lipdub.network import network_file
from lipdub.options import DRAFT_WEIGHTS, SyncOptions
from lipdub.plan import SAME, Plan
from lipdub.progress import Progress, fetching, silent
from lipdub.render import Crops, Inpainter, Threaded

log = logging.getLogger(__name__)

LANDMARKER = "face_landmarker"
EMBEDDER, DETECTOR = "sface", "yunet"
BATCH_SIZES = {"cpu": 4, "mps": 8, "cuda": 32}
"""Faces at once, by kind of device, where the user does not say."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An inpainter, and where its weights are from.

    Attributes:
        inpainter: what paints mouths.
        weights: name or path of its weights.
        sha256: their hash, if they have one.
        settings: how it draws: what changes its pixels besides the weights.
        notes: what a user should know of it, a sentence each.
    """

    inpainter: Inpainter
    weights: str
    sha256: str | None
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def notes_on(self, given: Plan | None) -> tuple[str, ...]:
        """The notes, and what is to be said of a plan that was given and made for other weights."""
        if given is None or self.weights != DRAFT_WEIGHTS or SAME not in given.edits["reference"]:
            return self.notes
        return (
            *self.notes,
            f"the plan shows each frame its own mouth, of which the weights {DRAFT_WEIGHTS} keep too much; "
            "plan again with --preset draft.",
        )


def load_engine(options: SyncOptions, progress: Progress = silent) -> Engine:
    """Load the network that the options name, onto the device they name (see `network.network_file`).

    Raises:
        WeightsError: unknown, unreachable or damaged weights, or weights of another network.
        DeviceError: no such device or precision here.
    """
    from lipdub.diffusion import LipInpainter, select_device
    from lipdub.models import load_checkpoint

    device, dtype = select_device(options.device, options.precision)
    file, notes = network_file(options, progress)
    name = file.name or str(file.path)
    options = options.painted_with(name)
    inpainter = LipInpainter(
        load_checkpoint(file.path),
        device,
        dtype,
        options.batch_size or BATCH_SIZES[device.type],
        options.sampling_steps,
        seed=options.seed,
        sampler=options.sampler,
    )
    _tell_licence(file)
    settings: dict[str, object] = {
        "steps": options.sampling_steps,
        "sampler": options.sampler,
        "seed": options.seed,
        "precision": str(dtype),
    }
    engine = Engine(inpainter, name, file.sha256, settings, notes)
    return restoring(engine, options, progress)


def restoring(engine: Engine, options: SyncOptions, progress: Progress = silent) -> Engine:
    """The engine with the restorer that the options name, or as it is where they name none.

    Raises:
        WeightsError: the restorer cannot be had, or is not one.
        OptionError: onnxruntime is not installed.
    """
    if options.restorer is None or options.restorer_strength == 0:
        return engine
    file = weights.resolve(options.restorer, progress=fetching(options.restorer, progress))
    restorer = Blended(OnnxRestorer(file.path), options.restorer_strength)
    _tell_licence(file)
    told = {"restorer": file.sha256, "restorer_strength": options.restorer_strength}
    return replace(
        engine, inpainter=Restoring(engine.inpainter, restorer), settings={**engine.settings, **told}
    )


class Restoring:
    """An inpainter whose faces go through a restorer.

    Args:
        inpainter: what paints.
        restorer: what makes each face finer.
    """

    def __init__(self, inpainter: Inpainter, restorer: Restorer) -> None:
        self._inpainter = inpainter
        self._restorer = restorer
        self.size = inpainter.size
        self.batch_size = inpainter.batch_size

    def __call__(self, images: Crops, references: Crops, mels: npt.NDArray[np.float32], /) -> Crops:
        """New faces [n, R, R, 3] for faces and references [n, S, S, 3] and mel windows [n, 80, 16]."""
        return np.stack([self._restorer(face) for face in self._inpainter(images, references, mels)])

    @property
    def threads(self) -> int:
        """Those of the inpainter; 0 if it does not say."""
        return self._inpainter.threads if isinstance(self._inpainter, Threaded) else 0

    def pin_threads(self, count: int, /) -> None:
        """Let the inpainter compute with so many threads, if it can be told it."""
        if isinstance(self._inpainter, Threaded):
            self._inpainter.pin_threads(count)


def load_landmarker(progress: Progress = silent) -> FaceLandmarker:
    """MediaPipe's face landmarker, fetched if need be.

    Raises:
        WeightsError: it cannot be had.
    """
    detector = fetch_if_possible(DETECTOR, progress)
    return FaceLandmarker(fetch(LANDMARKER, progress), FaceDetector(detector) if detector else None)


def load_embedder(progress: Progress = silent) -> SFace | None:
    """SFace, fetched if need be; None where it cannot be had.

    Raises:
        WeightsError: what is there is damaged.
    """
    file = fetch_if_possible(EMBEDDER, progress)
    return SFace(file) if file else None


def fetch(name: str, progress: Progress = silent) -> Path:
    """The file of a catalogue name, fetched if need be.

    Raises:
        WeightsError: it cannot be had.
    """
    return weights.locate(name, progress=fetching(name, progress))


def fetch_if_possible(name: str, progress: Progress = silent) -> Path | None:
    """The file of a catalogue name that can be done without, fetched if need be; None if it cannot be had.

    Raises:
        WeightsError: what is there is damaged.
    """
    return weights.locate_if_possible(name, progress=fetching(name, progress))


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


def _tell_licence(file: weights.WeightsFile) -> None:
    """Log what a user of these weights must know, once on a machine."""
    entry = weights.load_catalogue().get(file.name or "")
    notice = weights.notice_due(entry) if entry else None
    if entry and notice:
        log.warning("%s", notice)
        weights.notice_shown(entry)
