"""From one video to its clips: look at it, listen to it, cut it, check its sync, take its pictures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipdub.dataset.cutting import SAMPLES, SOUNDLESS, Clip, Dropped, cut_clips, heard
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.pictures import stored, take_pictures
from lipdub.dataset.shardfile import plain
from lipdub.dataset.sources import Source, sound_beside
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
from lipdub.errors import LipdubError, MediaError, RenderError
from lipdub.faces.analyse import analyse
from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.identity import Embedder
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.people import find_people
from lipdub.progress import Progress, silent

QUIETEST = 33
"""Root mean square of 16-bit samples below which a clip has no sound to learn from: -60 dB of full scale."""
NO_FACE, SILENT, STILL, CHANGED = "no face", "silent", "a still picture", "could not be read a second time"
UNREADABLE = "cannot be read"
OFF, UNSURE = "off sync", "agrees too little with its sound"
APERTURES, DEGREES, TIMES = 4, 1, 6
"""Decimals that are kept of apertures, of angles, and of seconds."""

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a video is looked at with.

    Attributes:
        landmarker: finds faces.
        embedder: tells people apart, if it is there.
        judge: tells whether the sound is early or late.
    """

    landmarker: FaceLandmarker
    embedder: Embedder | None = None
    judge: Judge = field(default_factory=LipJudge)


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip, as it goes into a shard.

    Attributes:
        meta: what its JSON says.
        sound: [640 · n], 16 kHz.
        pictures: [n], compressed.
    """

    meta: Mapping[str, Any]
    sound: Pcm
    pictures: list[bytes]


@dataclass(slots=True)
class Row:
    """What became of a video.

    Attributes:
        source: its name.
        speaker: who is seen in it, as far as its place tells.
        seen: frames looked at.
        shift: frames by which its sound came late, and was shifted.
        sync: what judged that, where it was clear.
        clips, frames: numbers of what was kept, at 25 frames a second.
        error: why nothing was kept, if it is for one reason.
        dropped: stretches that were left out.
    """

    source: str
    speaker: str
    seen: int = 0
    shift: int = 0
    sync: str | None = None
    clips: int = 0
    frames: int = 0
    error: str | None = None
    dropped: list[Dropped] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return asdict(self)


def make_clips(
    source: Source,
    tools: Tools,
    options: PrepareOptions,
    work: Path,
    add: Callable[[Sample], None],
    progress: Progress = silent,
) -> Row:
    """Make all clips of one video; whatever is wrong with it becomes a line of the report.

    Args:
        source: the video.
        tools: what it is looked at with.
        options: what clips are like.
        work: a folder for its sound, 2 MB a minute.
        add: takes each clip.
        progress: told after every frame.

    Raises:
        RenderError: the disk is full.
    """
    row = Row(source.name, source.speaker)
    try:
        for sample in _samples(source, tools, options, work, row, progress):
            add(sample)
            row.clips += 1
            row.frames += len(sample.pictures)
    except RenderError as exc:
        if isinstance(exc.__cause__, OSError):
            raise
        row.error = f"{UNREADABLE}: {exc}"
    except LipdubError as exc:
        row.error = f"{UNREADABLE}: {exc}"
    except Exception as exc:  # of a library, which hostile files find ways to surprise
        row.error = f"{UNREADABLE}: {type(exc).__name__}: {exc}"
    return row


def _samples(
    source: Source, tools: Tools, options: PrepareOptions, work: Path, row: Row, progress: Progress
) -> Iterator[Sample]:
    info = probe_video(source.path)
    if info.still:
        row.error = STILL
        return
    sound, audio = _sound_of(info, work / "sound.pcm")
    if sound is None:
        row.error = SOUNDLESS
        return
    analysis = analyse(info, tools.landmarker, progress=progress, embedder=tools.embedder)
    row.seen = len(analysis.pts)
    if not analysis.tracks:
        row.error = NO_FACE
        return
    people = find_people(analysis.tracks, analysis.who, info.time_base, 1 / info.rate)
    clips, dropped = cut_clips(analysis, info, people.numbers, options)
    row.dropped += dropped
    clips = [part for clip in clips if (part := _audible(clip, sound, 0, options, row))]
    if options.sync != "keep" or tools.judge.sees:
        clips = _in_sync(info, clips, sound, tools.judge, options, row)
    clips = [part for clip in clips if (part := _audible(clip, sound, row.shift, options, row))]
    several, count = len(people.persons) > 1, 0
    for taken in take_pictures(info, clips, stored(options)):
        count += 1
        first = taken.clip.sample(row.shift)
        heard_there = np.array(sound[first : first + SAMPLES * len(taken.made)])
        yield Sample(_meta(taken.clip, row, audio, options, several), heard_there, taken.made)
    if count < len(clips):
        row.error = CHANGED


def _in_sync(
    info: VideoInfo, clips: list[Clip], sound: Pcm, judge: Judge, options: PrepareOptions, row: Row
) -> list[Clip]:
    """The clips whose sound is in time, once it is shifted by `row.shift`, which is found out here."""
    curves = _curves(info, clips, sound, judge)
    if not curves:
        return []
    found = verdict(together(curves, [len(clip.rows) for clip in clips]), judge.belief)
    off = found.shift if found is not None and found.clear else 0
    row.sync = judge.name if found is not None and found.clear else None
    if options.sync == "shift" and abs(off) <= options.max_shift:
        row.shift = off
    kept = []
    for clip, curve in zip(clips, curves, strict=True):
        own, sure = verdict(curve, judge.belief), confidence(curve, row.shift)
        reason = None
        if options.sync != "keep" and own and own.clear and abs(own.shift - row.shift) > IN_SYNC:
            reason = f"{OFF} (by {own.shift} frames)"
        elif options.sync != "keep" and off != row.shift:
            reason = f"{OFF} (by {off} frames)"
        elif options.min_confidence is not None and (sure is None or sure < options.min_confidence):
            reason = UNSURE
        if reason:
            row.dropped.append(Dropped(float(clip.start), clip.seconds, reason, clip.person))
        else:
            kept.append(replace(clip, confidence=sure))
    return kept


def _curves(info: VideoInfo, clips: list[Clip], sound: Pcm, judge: Judge) -> list[Curve]:
    """The agreement of each clip that could be looked at."""
    if not judge.sees:
        return [judge.curve(clip, (), sound) for clip in clips]
    found = {
        id(t.clip): judge.curve(t.clip, t.made, sound) for t in take_pictures(info, clips, judge.picture)
    }
    unknown = np.full(len(SHIFTS), np.nan)
    return [found.get(id(clip), unknown) for clip in clips]


def _sound_of(info: VideoInfo, path: Path) -> tuple[Pcm | None, str | None]:
    """The sound of a video, at 16 kHz from its time 0 on, and the name of the file it is in."""
    beside = sound_beside(info.path)
    for file in (info.path, beside):
        with suppress(MediaError):
            if file is not None:
                return decode_for_network(probe_audio(file), path), file.name
    return None, None


def _audible(clip: Clip, sound: Pcm, shift: int, options: PrepareOptions, row: Row) -> Clip | None:
    """The part of a clip that has sound, if there is enough of it."""
    part = heard(clip, len(sound), shift, options.shortest)
    reason = SOUNDLESS
    if part is not None:
        first = part.sample(shift)
        samples = sound[first : first + SAMPLES * len(part.rows)].astype(np.float64)
        if np.sqrt(np.mean(samples**2)) >= QUIETEST:
            return part
        reason = SILENT
    row.dropped.append(Dropped(float(clip.start), clip.seconds, reason, clip.person))
    return None


def _meta(clip: Clip, row: Row, audio: str | None, options: PrepareOptions, several: bool) -> dict[str, Any]:
    faces = clip.track.faces[clip.rows]
    return {
        "size": int(options.stored),
        "margin": float(options.margin),
        "source": row.source,
        "audio": audio,
        "start": round(float(clip.start), TIMES),
        "speaker": f"{row.speaker}/{Path(row.source).stem}-{clip.person}" if several else row.speaker,
        "shift": row.shift,
        "confidence": clip.confidence,
        "aperture": plain(faces["aperture"], APERTURES),
        "yaw": plain(faces["yaw"], DEGREES),
        "pitch": plain(faces["pitch"], DEGREES),
    }
