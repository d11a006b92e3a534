"""The streams of an output, put together one by one: the picture, the dub, and what is carried over."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.stream

from lipdub.media.child import Child
from lipdub.media.containers import MATROSKA, MP4_LIKE
from lipdub.media.ebml import ROOM
from lipdub.media.made_sound import copied_track, dub_sound, piped, track_sound
from lipdub.media.muxing import Lane, Turn, copied, encoded, timed
from lipdub.media.reading import opened
from lipdub.media.recipe import Remux
from lipdub.media.sound import packet_times
from lipdub.media.streams import ATTACH, Carried, sound_rate
from lipdub.media.tags import carried_tags, track_tags, true_tags
from lipdub.media.timing import is_chosen
from lipdub.media.tracks import (
    COVERS,
    add_attachment,
    add_copy,
    add_sound,
    add_text,
    first_packet,
    holds_sound,
    pcm_for,
    rate_for,
)

_DEFAULT = av.stream.Disposition.default
_COVER = av.stream.Disposition.attached_pic
_SPEAKING = frozenset({"h264", "hevc"})
"""Codecs that say the shape of their samples themselves."""


@dataclass(slots=True)
class Assembly:
    """The streams of an output while they are put together.

    Attributes:
        pairs: index of a stream in the movie, and in the output.
        subtitles: which of those tracks are shown by default.
        lanes: of streams that are copied from the movie, by their index there.
        made: packets from elsewhere.
        displayed: the size in which a player shows the picture, if it must be written into the finished file.
        left_out: what is to be said of streams that could not be carried over, a sentence each.
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
    left_out: list[str] = field(default_factory=list)

    @property
    def _shift(self) -> Fraction:
        """What a player shows at time 0 gets the time stamp 0."""
        return -self.job.info.origin

    def add_picture(self, first: av.container.InputContainer) -> None:
        """Add the new picture, whose first segment is open; what segments do not say is set here.

        Raises:
            RenderError: the container does not take it.
        """
        job = self.job
        stream = add_copy(self.target, first.streams.video[0], self.suffix)
        stream.time_base = job.info.time_base
        if job.hevc and self.suffix in MP4_LIKE:
            stream.codec_context.codec_tag = "hvc1"
        if job.info.geometry.rotation:  # which the segments do not have
            stream.set_display_rotation(job.info.geometry.rotation)
        slots = job.slots or (job.info.rate if is_chosen(job.info.rate) else None)
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
        if self.suffix in MATROSKA and aspect != 1 and codec not in _SPEAKING:
            self.displayed = job.info.geometry.square_size
            stream.metadata["title"] = stream.metadata.get("title", "") + ROOM
        lane = Lane(stream, self._shift)
        self.made.append(timed(job.picture.packets(), job.picture.time_base, lane))

    def add_dub(self) -> None:
        """Add the new sound: copied, or decoded, placed and mixed by ffmpeg and encoded here.

        Raises:
            MediaError: the dub cannot be read.
            RenderError: the container does not take it, or ffmpeg cannot make it.
        """
        job, choice = self.job, self.job.sound
        if choice.codec == "copy":
            with opened(job.dub.path) as container:
                index = container.streams.audio[0].index
            times = packet_times(job.dub)
            stream = self._copied_sound(job.dub.path, index, job.moved - job.dub.origin, job.cut, times)
        else:
            dub = dub_sound(job)
            stream = self._encoded_sound(dub, choice.codec, job.heard.rate, job.heard.bits, choice.bit_rate)
        stream.disposition = _DEFAULT
        if job.language:
            stream.metadata["language"] = job.language

    def add(self, carried: Carried) -> None:
        """Carry a stream of the movie over; of one that is damaged, only say so.

        Raises:
            MediaError: the movie cannot be read.
            RenderError: the container does not take it, or ffmpeg cannot make it.
        """
        old: Any = self.movie.streams[carried.index]
        if carried.kind == "audio" and not self._holds_sound(carried):
            what = f"the sound track {carried.index} of {self.job.info.path.name}"
            self.left_out.append(f"{what} holds no sound that can be read, and is left out: it is damaged.")
            return
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

    def _holds_sound(self, carried: Carried) -> bool:
        return holds_sound(self.job.info.path, carried.index, carried.codec == "copy")

    def _add_timed(self, carried: Carried, old: Any) -> Any:
        info = self.job.info
        if carried.kind == "audio" and carried.codec != "copy":
            sound = track_sound(info.path, old.index, info.origin, carried.codec, old.channels)
            bit_rate = sound_rate(self.suffix, carried.codec, old.channels)
            return self._encoded_sound(sound, carried.codec, old.rate, old.format.bits, bit_rate)
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
        return self.suffix in MATROSKA and container.startswith("mov")

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
        sound = copied_track(path, index, shift)
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
        child = self.stack.enter_context(Child(piped(sound, form, **options)))
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

    def sources(self, damaged: Callable[[Fraction], None]) -> list[Iterator[Turn]]:
        """The packets of all streams, a source for each file they come from.

        Args:
            damaged: told the time, in seconds, after which nothing of the movie can be read.
        """
        others = [copied(self.movie, self.lanes, damaged)] if self.lanes else []
        return self.made + others
