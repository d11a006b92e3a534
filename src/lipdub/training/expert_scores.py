"""How well an expert hears what lips say, measured on clips it has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lipdub.dataset.augmenting import show
from lipdub.dataset.clips import Clip
from lipdub.dataset.sampling import WINDOW, Look
from lipdub.evaluation.bootstrap import Interval, mean_interval
from lipdub.models.sync_expert import SyncExpert
from lipdub.training.loader import as_images, expert_start, mels_of
from lipdub.training.losses import SYNC_WIDTH, lips_for_expert

REACH = 15
"""Frames the sound is shifted either way when the offset is looked for, as SyncNet's authors do."""
NEAR = 1
"""Frames by which an offset may be off and still count: nobody sees 40 ms."""
CHUNK = 32
"""Windows embedded at once."""


class Embedded(NamedTuple):
    """All windows of a clip: picture [n, D] and sound [n, D], of length 1; window k begins with frame k."""

    faces: NDArray[np.float32]
    sounds: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ExpertScores:
    """Means over clips, with their intervals.

    Attributes:
        accuracy: share of right answers to "do they belong together" (cosine above 0.5 or not), half of the
            pairs true, half with the sound of another window of the same clip. Chance is 0.5.
        better: how often the true sound is nearer than one of another window of the same clip. Chance is 0.5;
            unlike accuracy, it asks for no threshold.
        stranger: how often the true sound is nearer than one of another clip. Chance is 0.5.
        window_offset: how often one window of five frames finds its sound among the 31 shifts of up to 15
            frames (fewer near the ends of a clip), give or take one frame.
        clip_offset: how often a whole clip does, by its mean cosine at each shift.
        window_chance, clip_chance: of these two, the share of shifts that would count as right.
    """

    accuracy: Interval
    better: Interval
    stranger: Interval
    window_offset: Interval
    window_chance: Interval
    clip_offset: Interval
    clip_chance: Interval

    def as_json(self) -> dict[str, dict[str, float]]:
        """For a log."""
        return {field.name: getattr(self, field.name)._asdict() for field in fields(self)}


def score(
    expert: SyncExpert,
    clips: Sequence[Clip],
    gap: int = WINDOW,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> ExpertScores:
    """Measure an expert on clips.

    Args:
        expert: in evaluation mode.
        clips: not those it was trained with.
        gap: frames, at least, by which wrong windows begin earlier or later; clips too short for it are left
            out of `accuracy` and `better`.
        told: how many clips are done, and how many there are.
    """
    rows, before = [], None
    for number, clip in enumerate(clips):
        here = embed(expert, clip)
        rows.append({**within(here, gap), **offsets(here), "stranger": across(here, before)})
        before = here
        told(number + 1, len(clips))
    columns = {field.name: [row[field.name] for row in rows] for field in fields(ExpertScores)}
    return ExpertScores(**{name: mean_interval(values) for name, values in columns.items()})


@torch.inference_mode()
def embed(expert: SyncExpert, clip: Clip) -> Embedded:
    """Embed all windows of a clip."""
    device = next(expert.parameters()).device
    count = clip.frames - WINDOW + 1
    images = as_images([show(clip.picture(k), clip.margin, SYNC_WIDTH, Look()) for k in range(clip.frames)])
    mels = torch.from_numpy(mels_of(clip, [expert_start(k) for k in range(count)], Look()))[:, None]
    faces, sounds = [], []
    for begin in range(0, count, CHUNK):
        windows = torch.arange(begin, min(begin + CHUNK, count))[:, None] + torch.arange(WINDOW)
        lips = lips_for_expert(images[windows].flatten(0, 1).to(device))
        faces.append(expert.embed_faces(lips).cpu().numpy())
        sounds.append(expert.embed_sound(mels[begin : begin + CHUNK].to(device)).cpu().numpy())
    return Embedded(np.concatenate(faces), np.concatenate(sounds))


def within(clip: Embedded, gap: int) -> dict[str, float]:
    """`accuracy` and `better` of one clip; NaN where it has no two windows that far apart."""
    cosines = clip.faces @ clip.sounds.T
    number = np.arange(len(cosines))
    wrong = np.abs(number[:, None] - number) >= gap
    if not wrong.any():
        return {"accuracy": float("nan"), "better": float("nan")}
    true = np.diagonal(cosines)
    met = wrong.any(axis=1)
    accuracy = ((true[met] > 0.5).mean() + (cosines[wrong] <= 0.5).mean()) / 2
    return {"accuracy": float(accuracy), "better": _nearer(true[:, None] - cosines, wrong)}


def across(clip: Embedded, other: Embedded | None) -> float:
    """`stranger` of one clip against another; NaN without one."""
    if other is None:
        return float("nan")
    true = (clip.faces * clip.sounds).sum(1)
    margin = true[:, None] - clip.faces @ other.sounds.T
    return _nearer(margin, np.ones(margin.shape, bool))


def offsets(clip: Embedded, reach: int = REACH) -> dict[str, float]:
    """`window_offset`, `clip_offset` and their chances, of one clip.

    At a shift s, window k of the picture meets window k + s of the sound, where there is one.
    """
    cosines = clip.faces @ clip.sounds.T
    number = np.arange(len(cosines))
    shift = number - number[:, None]
    inside = np.abs(shift) <= reach
    found = np.where(inside, cosines, -np.inf).argmax(1) - number
    shifts = np.arange(-min(reach, len(cosines) - 1), min(reach, len(cosines) - 1) + 1)
    means = np.array([np.diagonal(cosines, s).mean() for s in shifts])
    right = np.abs(shift) <= NEAR
    return {
        "window_offset": float((np.abs(found) <= NEAR).mean()),
        "window_chance": float((right.sum(1) / inside.sum(1)).mean()),
        "clip_offset": float(abs(int(shifts[means.argmax()])) <= NEAR),
        "clip_chance": float((np.abs(shifts) <= NEAR).mean()),
    }


def _nearer(margin: NDArray[np.floating], counted: NDArray[np.bool_]) -> float:
    """Share of comparisons won; a draw is half a win, so that an expert that says nothing is at chance."""
    margin = margin[counted]
    return float((margin > 0).mean() + (margin == 0).mean() / 2)
