"""From one video to its clips: look at it, listen to it, cut it, check its sync, take its pictures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipdub.dataset.cutting import SAMPLES, SOUNDLESS, Clip, Dropped, cut_clips
from lipdub.dataset.fitting import Tools, audible, in_sync, speaking
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.pictures import stored, take_pictures
from lipdub.dataset.shardfile import plain
from lipdub.dataset.sources import Source, sound_beside
from lipdub.engine import DETECTOR, EMBEDDER
from lipdub.errors import LipdubError, MediaError, RenderError
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.looks import Looks
from lipdub.looking import record_for
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.people import find_people
from lipdub.progress import Progress, silent

NO_FACE, STILL = "no face", "a still picture"
LONG = 7500
"""Frames of a video from which what is seen of it is recorded while it is looked at: minutes of work."""
UNREADABLE = "cannot be read"
APERTURES, DEGREES, TIMES = 4, 1, 6
"""Decimals that are kept of apertures, of angles, and of seconds."""

Pcm = npt.NDArray[np.int16]


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
        untold: clips, of these, of which nothing told whether they come in time with their sound.
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
    untold: int = 0
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
    analysis = analyse(
        info, tools.landmarker, None, None, progress, _record(info, tools), None, tools.embedder
    )
    row.seen = len(analysis.pts)
    if not analysis.tracks:
        row.error = NO_FACE
        return
    people = find_people(analysis.tracks, analysis.who, info.time_base, 1 / info.rate)
    clips, dropped = cut_clips(analysis, info, people.numbers, options)
    row.dropped += dropped
    clips = _fitting(info, clips, analysis, sound, tools, options, row)
    for taken in take_pictures(info, clips, stored(options)):
        first = taken.clip.sample(row.shift)
        row.untold += not taken.clip.told
        heard = np.array(sound[first : first + SAMPLES * len(taken.made)])
        yield Sample(_meta(taken.clip, row, audio, options, len(people.persons) > 1), heard, taken.made)


def _record(info: VideoInfo, tools: Tools) -> Looks | None:
    """What an earlier run saw of a long video, to go on from; of a short one, none is kept."""
    if (info.frames or 0) < LONG:
        return None
    optional = {EMBEDDER: tools.embedder, DETECTOR: tools.landmarker.detector}
    return record_for(info, None, None, [name for name, used in optional.items() if used], fresh=False)


def _fitting(
    info: VideoInfo,
    clips: list[Clip],
    analysis: Analysis,
    sound: Pcm,
    tools: Tools,
    options: PrepareOptions,
    row: Row,
) -> list[Clip]:
    """The clips that fit the sound; how far that is shifted, and what does not fit, is noted in the row."""
    found = audible(clips, sound, 0, options)
    row.dropped += found.dropped
    if options.sync != "keep" or tools.judge.sees or options.min_confidence is not None:
        found = in_sync(info, found.clips, sound, tools.judge, options)
        row.shift, row.sync = found.shift, found.judge
        row.dropped += found.dropped
    found = audible(found.clips, sound, row.shift, options)
    row.dropped += found.dropped
    found = speaking(info, found.clips, analysis.tracks, sound, row.shift, tools, options)
    row.dropped += found.dropped
    return found.clips


def _sound_of(info: VideoInfo, path: Path) -> tuple[Pcm | None, str | None]:
    """The sound of a video, at 16 kHz from its time 0 on, and the name of the file it is in."""
    beside = sound_beside(info.path)
    for file in (info.path, beside):
        with suppress(MediaError):
            if file is not None:
                return decode_for_network(probe_audio(file), path), file.name
    return None, None


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
