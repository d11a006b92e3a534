"""Put the new picture, the dub and every other stream of the movie into one file (ffmpeg)."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from lipdub.errors import RenderError
from lipdub.media.encode import exact_timescale
from lipdub.media.probe import AudioInfo, Stream, VideoInfo
from lipdub.media.sound import MP4_SOUND, SOUND_CARRIERS, SoundChoice

_TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
_MP4_LIKE = frozenset({".mp4", ".m4v", ".mov", ".3gp"})
_MATROSKA = frozenset({".mkv"})

MOVIE = 2
"""Number of the movie among ffmpeg's inputs, after the picture and the dub."""

FORMATS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".3gp": "3gp", ".mkv": "matroska", ".webm": "webm",
    ".avi": "avi", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts", ".flv": "flv", ".mxf": "mxf",
}  # fmt: skip
"""Suffixes an output may have, and ffmpeg's name of the format."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A stream of the source that goes into the output: its index, and its codec there."""

    index: int
    kind: str
    codec: str = "copy"


@dataclass(frozen=True, slots=True)
class Remux:
    """Everything that decides what the output is made of.

    Attributes:
        info: the source movie.
        picture: the new picture, encoded.
        dub: the new sound.
        sound: how it travels.
        length: seconds of picture, from time 0 as a player shows it; the dub is padded or cut to it.
        hevc: the new picture is HEVC, which players know in MP4 by the tag hvc1 only.
        carried: streams of the source that are kept.
        language: code on the dub's track.
    """

    info: VideoInfo
    picture: Path
    dub: AudioInfo
    sound: SoundChoice
    length: Fraction
    hevc: bool
    carried: tuple[Carried, ...]
    language: str | None = None


def choose_streams(
    info: VideoInfo, suffix: str, keep_original_audio: bool
) -> tuple[tuple[Carried, ...], list[str]]:
    """Which streams of the source go into the output, and what cannot, a sentence each.

    The first sound track is the one the dub replaces; it is kept, after the dub, if asked for.
    """
    if info.still:
        return (), []
    kept: list[Carried] = []
    notes: list[str] = []
    replaced = next((s.index for s in info.streams if s.kind == "audio"), None)
    for stream in info.streams:
        if stream.index == info.index or (stream.index == replaced and not keep_original_audio):
            continue
        codec = _codec_in(stream, suffix.lower())
        if codec:
            kept.append(Carried(stream.index, stream.kind, codec))
            if stream.kind == "audio" and codec != "copy":
                new = codec.removeprefix("lib")
                notes.append(
                    f"the sound track {stream.index} was {stream.codec} and becomes {new}:"
                    f" {suffix} files do not carry it well."
                )
        elif stream.codec or stream.kind not in {"data", "unknown"}:
            name = stream.codec or "unknown"
            notes.append(
                f"the {stream.kind} stream {stream.index} ({name}) cannot be put into {suffix}"
                " and is left out."
            )
    return tuple(kept), notes


def remux(job: Remux, output: Path, suffix: str) -> None:
    """Write the output file.

    Args:
        job: what it is made of.
        output: where to; the name need not have the suffix of its format.
        suffix: of the name the user asked for.

    Raises:
        RenderError: ffmpeg failed; the sentence carries its last words.
    """
    picture = ffmpeg.input(_file(job.picture), **_rotation(job.info), **_from_zero(job.info.origin))
    dub = ffmpeg.input(_file(job.dub.path), **_dub_input(job))
    movie = ffmpeg.input(_file(job.info.path), **_from_zero(job.info.origin))
    streams = [picture["v:0"], _sound(job, dub), *(movie[str(c.index)] for c in job.carried)]
    options = _output_options(job, suffix.lower())
    command = ffmpeg.output(*streams, _file(output), **options).compile(cmd=_binary(), overwrite_output=True)
    if not job.carried and not job.info.still:
        command = _with_input(command, _file(job.info.path))
    _run(command)


def _file(path: Path) -> str:
    return f"file:{path}"


def _binary() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _codec_in(stream: Stream, suffix: str) -> str | None:
    """The codec of a source's stream in the output; None if it cannot be carried."""
    mp4 = suffix in _MP4_LIKE
    match stream.kind:
        case "video":
            return "copy" if stream.cover and (mp4 or suffix in _MATROSKA) else None
        case "audio":
            carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
            if stream.codec in carrier.codecs | carrier.held:
                return "copy"
            return "pcm_s16le" if carrier.fallback == "pcm" else carrier.fallback
        case "subtitle":
            if suffix in _MATROSKA:
                return "srt" if stream.codec == "mov_text" else "copy"
            return "mov_text" if mp4 and stream.codec in _TEXT else None
        case "attachment":
            return "copy" if suffix in _MATROSKA else None
    return None


def _rotation(info: VideoInfo) -> dict[str, Any]:
    """The display matrix, which the intermediate file does not have."""
    return {"display_rotation": info.geometry.rotation} if info.geometry.rotation else {}


def _from_zero(origin: Fraction) -> dict[str, Any]:
    """Give what a player shows at time 0 the time stamp 0."""
    return {"itsoffset": f"{float(-origin):.6f}"} if origin else {}


def _dub_input(job: Remux) -> dict[str, Any]:
    """A copied dub is cut at the picture's end.

    The size of the queue is ffmpeg's own; with it, ffmpeg-python takes a dub that is the movie itself
    for another input, as the numbers of the inputs below need it.
    """
    options = {"thread_queue_size": 8} | _from_zero(job.dub.origin)
    if job.sound.codec == "copy":
        options["t"] = f"{float(job.length):.6f}"
    return options


def _sound(job: Remux, dub: Any) -> Any:
    if job.sound.codec == "copy":
        return dub["a:0"]
    filled = dub["a:0"].filter("aresample", **{"async": 1, "first_pts": 0})
    return filled.filter("apad").filter("atrim", end=f"{float(job.length):.6f}")


def _output_options(job: Remux, suffix: str) -> dict[str, Any]:
    """Options of the output; streams are numbered: 0 the picture, 1 the dub, then what is carried over."""
    options: dict[str, Any] = {
        "copyts": None,
        "v": "error",
        "nostdin": None,
        "strict": "-2",
        "f": FORMATS[suffix],
    }
    options |= {"c:0": "copy", "c:1": job.sound.codec}
    if job.sound.bit_rate:
        options["b:1"] = job.sound.bit_rate
    options["disposition:1"] = "default"
    if job.language:
        options["metadata:s:1"] = f"language={job.language}"
    for number, stream in enumerate(job.carried, start=2):
        options[f"c:{number}"] = stream.codec
        options[f"map_metadata:s:{number}"] = f"{MOVIE}:s:{stream.index}"
        if stream.kind == "audio":
            options[f"disposition:{number}"] = "0"
    if suffix in _MP4_LIKE:
        scale = exact_timescale(job.info.time_base)
        options |= {"video_track_timescale": scale, "movie_timescale": scale}
        options |= {"tag:0": "hvc1"} if job.hevc else {}
    if suffix == ".avi" and _constant(job.info.rate):
        options["r:0"] = str(job.info.rate)  # AVI has a rate, not times; ffmpeg takes 600 a second otherwise
    return options | _tags(job)


def _constant(rate: Fraction) -> bool:
    """Whether this looks like a rate that somebody chose, not like the mean of a variable one."""
    return 1 in {rate.denominator, (rate * 1001 / 1000).denominator}


def _tags(job: Remux) -> dict[str, Any]:
    """Carry over global tags, chapters and the picture's own tags from the movie."""
    if job.info.still:
        return {"map_metadata": "-1"}
    return {
        "map_metadata": MOVIE,
        "map_chapters": MOVIE,
        "map_metadata:s:0": f"{MOVIE}:s:{job.info.index}",
    }


def _with_input(command: list[str], path: str) -> list[str]:
    """Add an input that gives only tags and chapters, which ffmpeg-python has no notation for."""
    place = next(i for i, word in enumerate(command) if word in {"-filter_complex", "-map"})
    return [*command[:place], "-i", path, *command[place:]]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as exc:
        raise RenderError(f"ffmpeg could not be started ({exc.strerror}); run `lipdub doctor`.") from exc
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        if any("No space left" in line for line in words):
            raise RenderError(
                "the disk is full while writing the output; make space and run the same command again."
            )
        # The first line is the cause, the last one what came of it.
        reason = " … ".join(dict.fromkeys([words[0], words[-1]])) if words else "no reason given"
        raise RenderError(f"ffmpeg could not put the output together: {reason}")
