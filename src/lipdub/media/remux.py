"""Put the new picture, the dub and every other stream of the movie into one file.

What has to be decoded first (a dub that is padded or cut, sound in a codec that the container does not carry)
ffmpeg decodes, into a pipe. Everything is put together in one thread: see `lipdub.media.muxing`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.stream
import ffmpeg

from lipdub.errors import MediaError
from lipdub.media.boxes import disable_subtitles
from lipdub.media.child import Child
from lipdub.media.ebml import ROOM, write_display_size
from lipdub.media.join import Joined
from lipdub.media.losses import losses
from lipdub.media.mix import filled_up, fit_for, from_zero, limited, mixed, placed, summed
from lipdub.media.muxing import Lane, Turn, copied, encoded, timed, write
from lipdub.media.outfile import Report, check_finished, muxer_options, written
from lipdub.media.probe import VideoInfo
from lipdub.media.probe_sound import AudioInfo
from lipdub.media.reading import opened
from lipdub.media.sound import LOSSLESS, SoundChoice, packet_times
from lipdub.media.streams import ATTACH, FORMATS, MP4_LIKE, Carried, choose_streams, sound_rate
from lipdub.media.tags import carried_tags, track_tags, true_tags
from lipdub.media.tracks import (
    COVERS,
    add_attachment,
    add_copy,
    add_sound,
    add_text,
    first_packet,
    pcm_for,
    rate_for,
)
from lipdub.progress import Progress, silent

__all__ = ["FORMATS", "Carried", "Remux", "choose_streams", "remux"]

_DEFAULT = av.stream.Disposition.default
_COVER = av.stream.Disposition.attached_pic
_MATROSKA = frozenset({".mkv", ".webm"})
_SPEAKING = frozenset({"h264", "hevc"})

SHORTEST = Fraction(1, 1000)
"""Seconds of picture below which there is no room for sound."""


@dataclass(frozen=True, slots=True)
class Remux:
    """Everything that decides what the output is made of.

    Attributes:
        info: the source movie.
        picture: the new picture, encoded in segments.
        dub: the new sound.
        sound: how it travels.
        length: seconds of picture, from time 0 as a player shows it; the dub is padded or cut to it.
        hevc: the new picture is HEVC, which players know in MP4 by the tag hvc1 only.
        carried: streams of the source that are kept.
        language: code on the dub's track.
        slots: frames a second of an AVI; None to go by the source's mean rate.
        offset: seconds by which the dub is heard later than it lies in its file.
        background: music and effects that are mixed under the dub.
        limited: the mix would clip: its peaks are held.
    """

    info: VideoInfo
    picture: Joined
    dub: AudioInfo
    sound: SoundChoice
    length: Fraction
    hevc: bool
    carried: tuple[Carried, ...]
    language: str | None = None
    slots: Fraction | None = None
    offset: Fraction = Fraction(0)
    background: AudioInfo | None = None
    limited: bool = False

    @property
    def heard(self) -> AudioInfo:
        """What the sound is made of: the dub, or the mix of dub and background."""
        return mixed(self.dub, self.background)

    @property
    def moved(self) -> Fraction:
        """The offset to the nearest sample, in seconds."""
        return Fraction(round(self.offset * self.dub.rate), self.dub.rate)


def remux(job: Remux, output: Path, suffix: str, progress: Progress = silent) -> list[str]:
    """Write the output file; the same inputs give the same bytes.

    Args:
        job: what it is made of.
        output: where to; the name need not have the suffix of its format.
        suffix: of the name the user asked for.
        progress: is told how many seconds of the movie are written.

    Returns:
        What else of the movie the container did not take, a sentence each.

    Raises:
        MediaError: by its time stamps, the picture is over at once.
        RenderError: something cannot be written, or picture or sound is missing in what was.
    """
    suffix = suffix.lower()
    if job.length < SHORTEST:
        raise MediaError(
            f"{job.info.path} lasts {float(job.length):.2g} s by its time stamps: they are damaged; export it"
            " again."
        )
    damaged: list[Fraction] = []
    with ExitStack() as stack:
        movie = stack.enter_context(opened(job.info.path))
        options = muxer_options(suffix, job.info.time_base, movie.chapters(), _begins(job))
        target = stack.enter_context(written(output, FORMATS[suffix], options))
        work = _Work(job, suffix, target, movie, stack)
        work.add_picture(stack.enter_context(opened(job.picture.segments[0].path)))
        work.add_dub()
        for carried in sorted(job.carried, key=lambda c: c.codec == ATTACH):  # attached files come last
            work.add(carried)
        work.add_tags()
        report = Report(job.length, progress)
        write(target, work.sources(damaged.append), report)
    if suffix in MP4_LIKE:
        disable_subtitles(output, work.subtitles)
    if work.displayed:
        write_display_size(output, *work.displayed)
    check_finished(output)
    report.finish()
    if job.info.still:
        return []
    notes = [
        f"{job.info.path.name} is damaged after {float(t):.1f} s; its other streams end there."
        for t in damaged
    ]
    return notes + losses(job.info.path, output, suffix, work.pairs)


@dataclass(slots=True)
class _Work:
    """The streams of an output while they are put together.

    Attributes:
        pairs: index of a stream in the movie, and in the output.
        subtitles: which of those tracks are shown by default.
        lanes: of streams that are copied from the movie, by their index there.
        made: packets from elsewhere.
        displayed: the size in which a player shows the picture, if it must be written into the finished file.
    """

    job: Remux
    suffix: str
    target: av.container.OutputContainer
    movie: av.container.InputContainer
    stack: ExitStack
    pairs: list[tuple[int, int]] = field(default_factory=list)
    subtitles: list[bool] = field(default_factory=list)
    lanes: dict[int, Lane] = field(default_factory=dict)
    made: list[Iterator[Turn]] = field(default_factory=list)
    displayed: tuple[int, int] | None = None

    @property
    def _shift(self) -> Fraction:
        """What a player shows at time 0 gets the time stamp 0."""
        return -self.job.info.origin

    def add_picture(self, first: av.container.InputContainer) -> None:
        job = self.job
        stream = add_copy(self.target, first.streams.video[0], self.suffix)
        stream.time_base = job.info.time_base
        if job.hevc and self.suffix in MP4_LIKE:
            stream.codec_context.codec_tag = "hvc1"
        if job.info.geometry.rotation:  # which the segments do not have
            stream.set_display_rotation(job.info.geometry.rotation)
        slots = job.slots or (job.info.rate if _constant(job.info.rate) else None)
        if self.suffix == ".avi" and slots:
            stream.time_base = 1 / slots  # AVI has a rate, not times
            stream.codec_context.framerate = slots
        if not job.info.still:
            old = self.movie.streams[job.info.index]
            stream.metadata.update(true_tags(track_tags(old.metadata, self.suffix)))
            stream.disposition = old.disposition
            self.pairs.append((old.index, stream.index))
        aspect = job.info.geometry.sample_aspect
        # H.264 and HEVC say it themselves, and exactly, where Matroska has whole pixels.
        codec = first.streams.video[0].codec_context.name
        if self.suffix in _MATROSKA and aspect != 1 and codec not in _SPEAKING:
            self.displayed = job.info.geometry.square_size
            stream.metadata["title"] = stream.metadata.get("title", "") + ROOM
        lane = Lane(stream, self._shift)
        self.made.append(timed(job.picture.packets(), job.picture.time_base, lane))

    def add_dub(self) -> None:
        job, choice = self.job, self.job.sound
        if choice.codec == "copy":
            with opened(job.dub.path) as container:
                index = container.streams.audio[0].index
            times = packet_times(job.dub)
            stream = self._copied_sound(job.dub.path, index, job.moved - job.dub.origin, _cut(job), times)
        else:
            dub = _sound(job, ffmpeg.input(_file(job.dub.path), **_dub_input(job)))
            stream = self._encoded_sound(dub, choice.codec, job.heard.rate, job.heard.bits, choice.bit_rate)
        stream.disposition = _DEFAULT
        if job.language:
            stream.metadata["language"] = job.language

    def add(self, carried: Carried) -> None:
        """Carry a stream of the movie over."""
        old: Any = self.movie.streams[carried.index]
        if carried.codec == ATTACH:
            data = first_packet(self.job.info.path, carried.index)
            add_attachment(self.target, old, data, COVERS[old.codec_context.name])
            return
        if carried.kind == "attachment":
            add_attachment(self.target, old, old.data, ("attachment", "application/octet-stream"))
            return
        stream = self._add_timed(carried, old)
        tags = track_tags(old.metadata, self.suffix)
        stream.metadata.update(tags if carried.codec == "copy" else true_tags(tags))
        # Of the sound tracks, the dub is the one that is played unless another is asked for.
        stream.disposition = old.disposition & ~_DEFAULT if carried.kind == "audio" else old.disposition
        if carried.kind == "subtitle":
            self.subtitles.append(bool(old.disposition & _DEFAULT))
        if not old.disposition & _COVER:  # which is not where it was put
            self.pairs.append((old.index, stream.index))

    def _add_timed(self, carried: Carried, old: Any) -> Any:
        info = self.job.info
        if carried.kind == "audio" and carried.codec != "copy":
            movie = ffmpeg.input(_file(info.path), **from_zero(info.origin))
            filled = movie[str(carried.index)].filter("aresample", **{"async": 1, "first_pts": 0})
            bit_rate = sound_rate(self.suffix, carried.codec, old.channels)
            fit = fit_for(carried.codec, filled, old.channels)
            return self._encoded_sound(fit, carried.codec, old.rate, old.format.bits, bit_rate)
        if carried.kind == "audio" and self._loses_priming(info.container):
            return self._copied_sound(info.path, carried.index, -info.origin)
        if carried.codec == "copy":
            stream, change = add_copy(self.target, old, self.suffix), None
        else:
            stream, change = add_text(self.target, carried.codec, old)
        self.lanes[carried.index] = Lane(stream, self._shift, change=change)
        return stream

    def _loses_priming(self, container: str) -> bool:
        """Whether packets copied from this format into the output would say nothing of an encoder's delay.

        MP4 has it in an edit list, and Matroska in a field that PyAV cannot set, but copies from Matroska.
        """
        return self.suffix in _MATROSKA and container.startswith("mov")

    def _copied_sound(
        self,
        path: Path,
        index: int,
        shift: Fraction,
        end: Fraction | None = None,
        change: Callable[[Any], Any] | None = None,
    ) -> Any:
        """A sound stream of a file, copied; `shift` is added to its times, `end` where it is cut."""
        source = self.stack.enter_context(opened(path))
        if not self._loses_priming(source.format.name):
            stream = add_copy(self.target, source.streams[index], self.suffix)
            self.made.append(copied(source, {index: Lane(stream, shift, end, change)}))
            return stream
        sound = ffmpeg.input(_file(path), **from_zero(-shift))[str(index)]
        source, child = self._read_by_ffmpeg(sound, "matroska", acodec="copy")
        stream = add_copy(self.target, source.streams[0], self.suffix)
        self.made.append(child.watched(copied(source, {0: Lane(stream, end=end)})))
        return stream

    def _encoded_sound(self, sound: Any, codec: str, rate: int, bits: int, bit_rate: int | None) -> Any:
        """A sound stream with an encoder."""
        pcm = {"acodec": pcm_for(codec, bits), "ar": rate_for(codec, rate)}
        source, child = self._read_by_ffmpeg(sound, "wav", **pcm)
        stream = add_sound(self.target, codec, source.streams.audio[0], bit_rate)
        self.made.append(child.watched(encoded(source, Lane(stream))))
        return stream

    def _read_by_ffmpeg(
        self, sound: Any, form: str, **options: Any
    ) -> tuple[av.container.InputContainer, Child]:
        """What ffmpeg makes of a sound, written into a pipe."""
        words = {"f": form, "v": "error", "nostdin": None, "copyts": None, "map_metadata": -1}
        command = ffmpeg.output(sound, "pipe:1", **options, **words).compile(cmd=_binary())
        child = self.stack.enter_context(Child(command))
        return self.stack.enter_context(child.opened(form)), child

    def add_tags(self) -> None:
        """Carry over global tags and chapters."""
        if self.job.info.still:
            return
        self.target.metadata.update(carried_tags(self.movie.metadata))
        chapters = self.movie.chapters()
        for chapter in chapters:
            moved = round(self._shift / Fraction(chapter["time_base"] or 1))
            chapter["start"] += moved
            chapter["end"] += moved
        self.target.set_chapters(chapters)

    def sources(self, damaged: Any) -> list[Iterator[Turn]]:
        others = [copied(self.movie, self.lanes, damaged)] if self.lanes else []
        return self.made + others


def _file(path: Path) -> str:
    return f"file:{path}"


def _binary() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _dub_input(job: Remux) -> dict[str, Any]:
    """How the dub is read.

    Not with an end (``-t``): with ``-copyts`` it would end an input without a start time, like WAV or ADTS,
    at its first packet. The size of the queue is ffmpeg's own; with it, ffmpeg-python takes a dub that is the
    movie itself for another input, as the numbers of the inputs below need it.
    """
    return {"thread_queue_size": 8} | from_zero(job.dub.origin)


def _cut(job: Remux) -> Fraction | None:
    """A copied dub is cut at the picture's end, packet by packet, and no other stream with it."""
    return None if job.dub.codec in LOSSLESS else job.length


def _sound(job: Remux, dub: Any) -> Any:
    sound = placed(dub["a:0"], job.dub, job.offset)
    if job.background is not None:
        options = {"thread_queue_size": 16} | from_zero(job.background.origin)
        below = ffmpeg.input(_file(job.background.path), **options)
        sound = summed(sound, placed(below["a:0"], job.background), job.heard)
        sound = limited(sound) if job.limited else sound
    return fit_for(job.sound.codec, filled_up(sound, job.heard, job.length), job.heard.channels)


def _begins(job: Remux) -> Fraction:
    """Unit of the times at which a copied dub may begin, if it does not begin at 0."""
    late = job.sound.codec == "copy" and job.dub.start + job.offset > 0
    return Fraction(1, job.dub.rate) if late else Fraction(1)


def _constant(rate: Fraction) -> bool:
    """Whether this looks like a rate that somebody chose, not like the mean of a variable one."""
    return 1 in {rate.denominator, (rate * 1001 / 1000).denominator}
