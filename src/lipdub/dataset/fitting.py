"""Which clips of a video fit its sound: those that have some, whose face says it, and say it in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.dataset.cutting import CUT_OFF, SAMPLES, Clip, Dropped, heard
from lipdub.dataset.options import RATE, PrepareOptions
from lipdub.dataset.pictures import Picture, Shown, take_pictures
from lipdub.dataset.syncing import (
    IN_SYNC,
    SHIFTS,
    Curve,
    Judge,
    LipJudge,
    confidence,
    together,
    verdict,
)
from lipdub.faces.crop import Box, from_crop
from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.identity import Embedder
from lipdub.faces.speaker import BOX_PIXELS, CENTRE, SIZE, Scorer
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.speech.spans import runs
from lipdub.wording import counted

QUIETEST = 33
"""Root mean square of 16-bit samples below which a clip has no sound to learn from: -60 dB of full scale."""
PAUSE = 12
"""Frames to each side over which scores are averaged: who breathes in still speaks."""
RIVAL = 0.5
"""A face of this share of another's height, at the same time, may be the one that speaks."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SILENT, OFF, UNSURE = "silent", "off sync", "agrees too little with its sound"
LISTENS, UNTOLD = "does not speak", "nothing tells which of several faces speaks"

Pcm = npt.NDArray[np.int16]


def _no_network(_: Pcm) -> Scorer | None:
    return None


@dataclass(frozen=True, slots=True)
class Tools:
    """What a video is looked at with.

    Attributes:
        landmarker: finds faces.
        embedder: tells people apart, if it is there.
        judge: tells whether the sound is early or late.
        speaker: gives what tells whether a face says a sound, if it is there.
    """

    landmarker: FaceLandmarker
    embedder: Embedder | None = None
    judge: Judge = field(default_factory=LipJudge)
    speaker: Callable[[Pcm], Scorer | None] = _no_network


class Fitting(NamedTuple):
    """Clips that fit, and what does not.

    Attributes:
        clips: those that are kept.
        dropped: the others, and why.
        shift: frames by which the sound of all of them comes late.
        judge: what told that, where it was clear.
    """

    clips: list[Clip]
    dropped: list[Dropped]
    shift: int = 0
    judge: str | None = None


def audible(clips: Sequence[Clip], sound: Pcm, shift: int, options: PrepareOptions) -> Fitting:
    """The parts of clips that have sound, where there is enough of it.

    Args:
        clips: of one video.
        sound: of the video, 16 kHz.
        shift: frames by which it comes late.
        options: how short clips may be.
    """
    kept, dropped = list[Clip](), list[Dropped]()
    for clip in clips:
        part = heard(clip, len(sound), shift, options.shortest)
        if part is None:
            dropped.append(clip.dropped(CUT_OFF))
        elif _level(part, sound, shift) < QUIETEST:
            dropped.append(clip.dropped(SILENT))
        else:
            kept.append(part)
    return Fitting(kept, dropped, shift)


def in_sync(
    info: VideoInfo, clips: Sequence[Clip], sound: Pcm, judge: Judge, options: PrepareOptions
) -> Fitting:
    """The clips whose sound comes in time, once it is shifted by the same frames for all of them.

    Args:
        info: the video.
        clips: of it.
        sound: of it, 16 kHz.
        judge: tells how well picture and sound agree.
        options: what is to become of clips that are off.
    """
    curves = _curves(info, clips, sound, judge)
    if not curves:
        return Fitting([], [])
    frames = [len(clip.rows) for clip in clips]
    found = verdict(together(curves, frames), sum(frames), judge.belief)
    off = found.shift if found is not None and found.clear else 0
    shift = off if options.sync == "shift" and abs(off) <= options.max_shift else 0
    kept, dropped = list[Clip](), list[Dropped]()
    for clip, curve in zip(clips, curves, strict=True):
        sure = confidence(curve, shift)
        reason = _off(clip, curve, judge, shift, off) if options.sync != "keep" else None
        least = options.min_confidence
        if reason is None and least is not None and (sure is None or sure < least):
            reason = UNSURE
        if reason:
            dropped.append(clip.dropped(reason))
        else:
            own = verdict(curve, len(clip.rows), judge.belief)
            told = any(each is not None and each.clear for each in (found, own))
            kept.append(replace(clip, confidence=sure, told=told))
    return Fitting(kept, dropped, shift, judge.name if found is not None and found.clear else None)


def speaking(
    info: VideoInfo,
    clips: Sequence[Clip],
    tracks: Sequence[Track],
    sound: Pcm,
    shift: int,
    tools: Tools,
    options: PrepareOptions,
) -> Fitting:
    """The clips without stretches in which the face may listen: where several faces are in the picture.

    The active-speaker network tells; without it, only a face whose lips clearly move with the sound speaks.

    Args:
        info: the video.
        clips: of it.
        tracks: all faces in it.
        sound: of it, 16 kHz.
        shift: frames by which it comes late.
        tools: what tells.
        options: how short clips may be.
    """
    doubtful = [clip for clip in clips if has_rival(clip, tracks)]
    if not doubtful:
        return Fitting(list(clips), [])
    scorer = tools.speaker(sound)
    if scorer is None:
        curves = _curves(info, doubtful, sound, tools.judge)
        parts = {
            id(clip): [clip] if _in_time(clip, curve, tools.judge, shift) else []
            for clip, curve in zip(doubtful, curves, strict=True)
        }
    else:
        parts = {id(clip): [] for clip in doubtful}
        for taken in take_pictures(info, doubtful, speaker_picture):
            start = float(taken.clip.start) + shift / RATE
            scores = scorer(np.stack(taken.made), start)
            parts[id(taken.clip)] = [taken.clip.part(*span) for span in spoken(scores, options.shortest)]
    reason = UNTOLD if scorer is None else LISTENS
    kept = [part for clip in clips for part in parts.get(id(clip), [clip])]
    return Fitting(kept, [row for clip in doubtful for row in _rest(clip, parts[id(clip)], reason)])


def spoken(scores: npt.NDArray[np.floating], shortest: int) -> list[list[int]]:
    """The stretches of a clip in which its face speaks: first frame, and the one after the last.

    Args:
        scores: [n], of the active-speaker network, positive where the face speaks.
        shortest: frames of a stretch.
    """
    reach = min(PAUSE, len(scores) // 2)
    padded = np.pad(np.asarray(scores, np.float64), reach, mode="edge")
    lately = np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    return [span for span in runs(lately > 0).tolist() if span[1] - span[0] >= shortest]


def has_rival(clip: Clip, tracks: Sequence[Track]) -> bool:
    """Whether another face, not much smaller, is in the picture during a clip."""
    first, last = clip.pts[[0, -1]]
    height = RIVAL * float(np.median(clip.boxes[:, 3]))
    for track in tracks:
        there = (track.pts >= first) & (track.pts <= last)
        if track.id != clip.track.id and there.any() and float(np.median(track.boxes[there, 3])) >= height:
            return True
    return False


def speaker_picture(shown: Shown, box: Box) -> Picture:
    """What the active-speaker network sees of a face, [112, 112] (see `lipdub.faces.speaker`)."""
    side = box[3] * SIZE / BOX_PIXELS
    centre = from_crop(np.array([CENTRE]), box)[0]
    square = np.concatenate([centre - side / 2, [side, side], box[4:]])
    return np.asarray(np.rint(shown.crop(square, SIZE).astype(np.float32) @ LUMA), np.uint8)


def _in_time(clip: Clip, curve: Curve, judge: Judge, shift: int) -> bool:
    """Whether the lips of a clip clearly move with the sound that is shifted so."""
    own = verdict(curve, len(clip.rows), judge.belief)
    return own is not None and own.clear and abs(own.shift - shift) <= IN_SYNC


def _rest(clip: Clip, parts: Sequence[Clip], reason: str) -> list[Dropped]:
    """What is left of a clip beside some parts of it."""
    kept = np.zeros(len(clip.rows), np.bool_)
    for part in parts:
        first = round((part.start - clip.start) * RATE)
        kept[first : first + len(part.rows)] = True
    return [clip.part(low, high).dropped(reason) for low, high in runs(~kept).tolist()]


def _level(clip: Clip, sound: Pcm, shift: int) -> float:
    """Root mean square of a clip's sound."""
    first = clip.sample(shift)
    samples = sound[first : first + SAMPLES * len(clip.rows)].astype(np.float64)
    return float(np.sqrt(np.mean(samples**2)))


def _off(clip: Clip, curve: Curve, judge: Judge, shift: int, off: int) -> str | None:
    """Why a clip is out of time with its shifted sound; None if it is not, or nobody knows."""
    own = verdict(curve, len(clip.rows), judge.belief)
    if own is not None and own.clear and abs(own.shift - shift) > IN_SYNC:
        return f"{OFF} (by {counted(own.shift, 'frame')})"
    return f"{OFF} (by {counted(off, 'frame')})" if off != shift else None


def _curves(info: VideoInfo, clips: Sequence[Clip], sound: Pcm, judge: Judge) -> list[Curve]:
    """The agreement of each clip; one whose pictures are not there any more has none."""
    if not judge.sees:
        return [judge.curve(clip, (), sound) for clip in clips]
    complete = take_pictures(info, clips, judge.picture)
    found = {id(taken.clip): judge.curve(taken.clip, taken.made, sound) for taken in complete}
    unknown = np.full(len(SHIFTS), np.nan)
    return [found.get(id(clip), unknown) for clip in clips]
