"""Carry out a plan: decode → crop → inpaint (batched) → paste → encode, with bounded memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import av
import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box
from lipdub.faces.paste import Canvas, Crop, paste, take_crop
from lipdub.media.colour import colour_model
from lipdub.media.frames import read_frame_at
from lipdub.media.planes import as_planar, layout, planar_format, plane_views, pts_of
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.plan import SAME, Edit, Plan, Reference

Crops: TypeAlias = npt.NDArray[np.float32]
"""[n, S, S, 3] RGB in [−1, 1]."""

MAX_WAITING = 48
"""Frames held back, at most, while a batch of faces fills up."""
WAITING_BYTES = 384 << 20
"""Memory that they may fill: of 4K in 10 bits, 15 frames."""
CACHED_REFERENCES = 128
"""Crops of references that are kept, each of 0.2 MB. People come back shot after shot, and may have the same
reference again; to read one, its frame is decoded from the key frame before it on."""


class Inpainter(Protocol):
    """What paints mouths: the network, or a stand-in for it."""

    size: int
    batch_size: int

    def __call__(self, images: Crops, references: Crops, mels: npt.NDArray[np.float32], /) -> Crops:
        """New faces for n ≤ batch_size faces, references [n, S, S, 3] and mel windows [n, 80, 16].

        They are [n, R, R, 3], and R is S where no restorer made them finer.
        """
        ...


@runtime_checkable
class Threaded(Protocol):
    """An inpainter whose last bits depend on the number of its threads, and which can be told it."""

    threads: int

    def pin_threads(self, count: int, /) -> None:
        """Compute with this number of threads from now on."""
        ...


class MelSource(Protocol):
    """Where mel windows come from."""

    def windows(self, times: list[Fraction], sounds: list[int], /) -> npt.NDArray[np.float32]:
        """The windows [n, 80, 16] of frames shown at these times (seconds), each of the sound of a number.

        Numbers are those of the plan: `lipdub.plan.SILENCE`, `DUB`, or a stem's.
        """
        ...


@dataclass(slots=True)
class _Face:
    """A face waiting for its new mouth."""

    edit: Edit
    image: Crop
    reference: Crop
    time: Fraction


@dataclass(slots=True)
class Shown:
    """A frame on its way through the stages.

    Attributes:
        frame: its pts is when it will be shown.
        source: pts of the movie's frame that it shows.
        segment: number of the segment it belongs to.
        moved: its own time was that of the frame before it.
        edits: number of its faces that change; known once it is rendered.
        check: of its samples as decoded, where they are wanted (see `lipdub.media.marks.checksum`).
    """

    frame: av.VideoFrame
    source: int
    segment: int = 0
    moved: bool = False
    edits: int = 0
    check: int = 0


@dataclass(slots=True)
class _Picture:
    """A frame, in planes, and the faces in it that will change."""

    shown: Shown
    faces: list[_Face] = field(default_factory=list)


def render(
    plan: Plan,
    info: VideoInfo,
    mel: MelSource,
    inpainter: Inpainter,
    frames: Iterable[Shown],
) -> Iterator[Shown]:
    """The frames of the movie, in order, with new mouths where the plan says so.

    Args:
        plan: what changes.
        info: the movie.
        mel: the mel windows of what is spoken.
        inpainter: the network.
        frames: decoded frames, in the order in which they are shown.
    """
    canvas = canvas_of(info)
    references = ReferenceReader(plan, info, inpainter.size)
    pictures = (_prepare(shown, plan, canvas, references, inpainter.size) for shown in frames)
    for group in _groups(pictures, inpainter.batch_size):
        generated = _inpaint([face for picture in group for face in picture.faces], mel, inpainter)
        while group:  # a frame that was handed on is not held any longer
            yield _finish(group.popleft(), canvas, generated)


def canvas_of(info: VideoInfo) -> Canvas:
    """Geometry and colours of a movie's pictures, in planes."""
    form = layout(planar_format(info.pix_fmt))
    return Canvas(info.geometry, colour_model(form, info.colour, info.geometry.height))


class ReferenceReader:
    """Fetch the crops that edits refer to, when they are needed, keeping only the last few."""

    def __init__(self, plan: Plan, info: VideoInfo, size: int) -> None:
        self._plan = plan
        self._info = info
        self._size = size
        self._read = lru_cache(maxsize=CACHED_REFERENCES)(self._crop)

    def __call__(self, edit: Edit, image: Crop) -> Crop:
        """The reference [S, S, 3] of an edit whose own crop is `image`."""
        return image if edit.reference == SAME else self._read(edit.reference)

    def _crop(self, index: int) -> Crop:
        reference: Reference = self._plan.references[index]
        info = probe_video(Path(reference.picture)) if reference.picture else self._info
        frame = as_planar(read_frame_at(info, reference.pts or 0))
        return _crop_of(frame, canvas_of(info), np.array(reference.box), self._size)


def _crop_of(frame: av.VideoFrame, canvas: Canvas, box: Box, size: int) -> Crop:
    return take_crop(plane_views(frame, canvas.colour.form), canvas, box, size)


def _prepare(shown: Shown, plan: Plan, canvas: Canvas, reader: ReferenceReader, size: int) -> _Picture:
    shown.frame = as_planar(shown.frame)
    picture = _Picture(shown)
    time = plan.mel_time(pts_of(shown.frame))
    for edit in plan.at(shown.source):
        image = _crop_of(shown.frame, canvas, edit.box, size)
        picture.faces.append(_Face(edit, image, reader(edit, image), time))
    shown.edits = len(picture.faces)
    return picture


def _groups(pictures: Iterable[_Picture], batch_size: int) -> Iterator[deque[_Picture]]:
    """Frames in order, in groups that hold one batch of faces or, where faces are rare, few frames.

    A group is emptied by whoever gets it, before the next one is asked for.
    """
    group: deque[_Picture] = deque()
    faces = 0
    for picture in pictures:
        group.append(picture)
        faces += len(picture.faces)
        if faces == 0 or faces >= batch_size or len(group) >= most_waiting(picture.shown.frame):
            yield group
            faces = 0
    if group:
        yield group


def most_waiting(frame: av.VideoFrame, memory: int = WAITING_BYTES) -> int:
    """How many frames like this one may wait: at least 1, at most `MAX_WAITING`."""
    return int(np.clip(memory // sum(plane.buffer_size for plane in frame.planes), 1, MAX_WAITING))


def _inpaint(faces: list[_Face], mel: MelSource, inpainter: Inpainter) -> Iterator[Crop]:
    for first in range(0, len(faces), inpainter.batch_size):
        batch = faces[first : first + inpainter.batch_size]
        yield from inpainter(
            np.stack([face.image for face in batch]),
            np.stack([face.reference for face in batch]),
            mel.windows([face.time for face in batch], [face.edit.sound for face in batch]),
        )


def _finish(picture: _Picture, canvas: Canvas, generated: Iterator[Crop]) -> Shown:
    shown = picture.shown
    if picture.faces:
        shown.frame.make_writable()
        planes = plane_views(shown.frame, canvas.colour.form)
        for face in picture.faces:
            edit = face.edit
            paste(planes, canvas, edit.box, next(generated), edit.opacity, edit.outline, face.image)
    return shown
