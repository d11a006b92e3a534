"""What a network makes of a take: as `lipdub sync` would, without an encoder behind it."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from lipdub.errors import OptionError
from lipdub.evaluation.views import Views
from lipdub.likeness import View
from lipdub.media.planes import as_planar, copy_frame, pts_of
from lipdub.plan import DUB, SAME, Plan, Reference, edits_at
from lipdub.progress import Progress, Step, silent
from lipdub.protocol.takes import Take, frames_of, viewed
from lipdub.references import Change, choose_references
from lipdub.render import Inpainter, Shown, render
from lipdub.speech import Voices

MODES = ("cross", "reconstruction")
"""Those of the paper. cross: each frame is changed, and is its own reference unless something else is asked.
reconstruction: the first frame is the picture and the reference of all."""


@dataclass(frozen=True, slots=True)
class Shot:
    """How a take is to be made anew.

    Attributes:
        mode: one of `MODES`.
        reference: as for `SyncOptions`; of no meaning in reconstruction.
        seed: of random references.
        picture: what the person looks like, if `reference` is the path of a picture.
    """

    mode: str = "cross"
    reference: str = "same"
    seed: int = 7
    picture: Reference | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise OptionError(f"--mode takes {' or '.join(MODES)}, not {self.mode!r}.")
        if self.mode == "reconstruction" and self.reference not in ("same", "first"):
            raise OptionError(
                "--reference has no meaning in reconstruction: the first frame is the reference."
            )


def generate(
    take: Take,
    sound: npt.NDArray[np.int16],
    inpainter: Inpainter,
    shot: Shot,
    progress: Progress = silent,
) -> Views:
    """The views [n, 224, 224, 3] of a take with the lips of a sound (16 kHz mono, on the video's clock)."""
    still = shot.mode == "reconstruction"
    plan = plan_for(take, shot)
    frames = _repeated(take) if still else (Shown(f, pts_of(f)) for f in frames_of(take))
    boxes = np.broadcast_to(take.boxes[0], take.boxes.shape) if still else take.boxes
    views = []
    for shown, box in zip(render(plan, take.info, Voices([sound]), inpainter, frames), boxes, strict=True):
        views.append(viewed(shown.frame, take.info, box))
        progress(Step("paint", len(views), len(boxes)))
    return np.stack(views)


def plan_for(take: Take, shot: Shot) -> Plan:
    """The plan that changes every frame of a take."""
    count = len(take.seconds)
    if shot.mode == "reconstruction":
        references: list[Reference] = []
        edits = edits_at(take.pts, take.boxes[0], outline=np.tile(take.outlines[0], (count, 1, 1)))
    else:
        indices, references = _references(take, shot)
        edits = edits_at(take.pts, take.boxes, outline=take.outlines, reference=indices)
    size = take.info.geometry.width, take.info.geometry.height
    name, time_base, origin = take.info.path.name, take.info.time_base, take.info.origin
    return Plan(name, size, time_base, origin, tuple(references), edits)


def _references(take: Take, shot: Shot) -> tuple[npt.NDArray[np.int64], list[Reference]]:
    """For each frame, the number of its reference, and the references."""
    count = len(take.seconds)
    if shot.picture is not None:
        return np.zeros(count, np.int64), [shot.picture]
    track, own = take.track, -1 - take.track.id
    change = Change(track, own, np.full(len(track.pts), DUB, np.int32), np.ones(len(track.pts)))
    views = {own: [View(track, track.seen)]}
    found = choose_references([change], shot.reference, take.info, shot.seed, views)
    # References are looked for in the whole track, of which the take may be the beginning.
    chosen = found[track.id][:count, 1]
    chosen = np.where(chosen < count, chosen, 0)
    frames = np.unique(chosen[chosen != SAME])
    indices = np.where(chosen == SAME, SAME, np.searchsorted(frames, chosen))
    return indices, [_reference(take, int(i)) for i in frames]


def _reference(take: Take, frame: int) -> Reference:
    x, y, width, height, roll = take.boxes[frame].tolist()
    return Reference((x, y, width, height, roll), pts=int(take.pts[frame]))


def _repeated(take: Take) -> Iterator[Shown]:
    """The first frame of a take, at the times of all its frames."""
    first = as_planar(next(frames_of(take)))
    for pts in take.pts.tolist():
        yield Shown(_at(first, pts), pts)


def _at(frame: av.VideoFrame, pts: int) -> av.VideoFrame:
    copied = copy_frame(frame)
    copied.pts = pts
    return copied
