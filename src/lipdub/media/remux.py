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
from lipdub.media.sound import SoundChoice

_TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
_MP4_LIKE = frozenset({".mp4", ".m4v", ".mov", ".3gp"})
_MATROSKA = frozenset({".mkv"})

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
        elif stream.codec or stream.kind not in {"data", "unknown"}:
            name = stream.codec or "unknown"
            notes.append(
                f"the {stream.kind} stream {stream.index} ({name}) cannot be put into {suffix} and is left out."
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
    picture = ffmpeg.input(_file(job.picture), **_rotation(job.info))
    dub = ffmpeg.input(_file(job.dub.path), **_dub_input(job))
    movie = ffmpeg.input(_file(job.info.path))
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
            return "copy"
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


def _dub_input(job: Remux) -> dict[str, Any]:
    """Put time 0 of the dub at time 0 of the movie; a copied dub is cut at the picture's end."""
    options: dict[str, Any] = {}
    if offset := job.info.origin - job.dub.origin:
        options["itsoffset"] = f"{float(offset):.6f}"
    if job.sound.codec == "copy":
        options["t"] = f"{float(job.length):.6f}"
    return options


def _sound(job: Remux, dub: Any) -> Any:
    if job.sound.codec == "copy":
        return dub["a:0"]
    begin, end = job.info.origin, job.info.origin + job.length
    filled = dub["a:0"].filter("aresample", **{"async": 1, "first_pts": round(begin * job.dub.rate)})
    return filled.filter("apad").filter("atrim", end=f"{float(end):.6f}")


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
        if stream.kind == "audio":
            options[f"disposition:{number}"] = "0"
    if suffix in _MP4_LIKE:
        scale = exact_timescale(job.info.time_base)
        options |= {"video_track_timescale": scale, "movie_timescale": scale}
        options |= {"tag:0": "hvc1"} if job.hevc else {}
    return options | _tags(job)


def _tags(job: Remux) -> dict[str, Any]:
    """Carry over global tags, chapters and the picture's own tags from input 2, the movie."""
    if job.info.still:
        return {"map_metadata": "-1"}
    return {"map_metadata": 2, "map_chapters": 2, "map_metadata:s:0": f"2:s:{job.info.index}"}


def _with_input(command: list[str], path: str) -> list[str]:
    """Add an input that gives only tags and chapters, which ffmpeg-python has no notation for."""
    place = next(i for i, word in enumerate(command) if word in {"-filter_complex", "-map"})
    return [*command[:place], "-i", path, *command[place:]]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    except OSError as exc:
        raise RenderError(f"ffmpeg could not be started ({exc.strerror}); run `lipdub doctor`.") from exc
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        if any("No space left" in line for line in words):
            raise RenderError(
                "the disk is full while writing the output; make space and run the same command again."
            )
        raise RenderError(
            f"ffmpeg could not put the output together: {words[-1] if words else 'no reason given'}"
        )
