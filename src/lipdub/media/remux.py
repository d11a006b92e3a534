"""Put the new picture, the dub and every other stream of the movie into one file (ffmpeg)."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from lipdub.errors import MediaError, RenderError
from lipdub.media.encode import exact_timescale
from lipdub.media.probe import AudioInfo, VideoInfo, opened
from lipdub.media.sound import LOSSLESS, SoundChoice
from lipdub.media.streams import ATTACH, COVERS, MP4_LIKE, Carried, choose_streams

__all__ = ["FORMATS", "Carried", "Remux", "choose_streams", "remux"]

_STALE_TAGS = ("encoder", "BPS", "NUMBER_OF_BYTES", "_STATISTICS_WRITING_APP", "_STATISTICS_WRITING_DATE_UTC")
"""Tags of a picture that are not true of a new one."""

MOVIE = 2
"""Number of the movie among ffmpeg's inputs, after the picture and the dub."""

SHORTEST = Fraction(1, 1000)
"""Seconds of picture below which there is no room for sound."""

FORMATS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm",
    ".avi": "avi", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts",
}  # fmt: skip
"""Suffixes an output may have, and ffmpeg's name of the format."""


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


def remux(job: Remux, output: Path, suffix: str) -> None:
    """Write the output file.

    Args:
        job: what it is made of.
        output: where to; the name need not have the suffix of its format.
        suffix: of the name the user asked for.

    Raises:
        MediaError: by its time stamps, the picture is over at once.
        RenderError: ffmpeg failed; the sentence carries its last words. Or it did not fail, but picture or
            sound is missing.
    """
    suffix = suffix.lower()
    if job.length < SHORTEST:
        raise MediaError(
            f"{job.info.path} lasts {float(job.length):.2g} s by its time stamps: they are damaged; export it"
            " again."
        )
    attached = [c for c in job.carried if c.codec == ATTACH]
    job = replace(job, carried=tuple(c for c in job.carried if c.codec != ATTACH))
    picture = ffmpeg.input(_file(job.picture), **_rotation(job.info), **_from_zero(job.info.origin))
    dub = ffmpeg.input(_file(job.dub.path), **_dub_input(job))
    movie = ffmpeg.input(_file(job.info.path), **_from_zero(job.info.origin))
    streams = [picture["v:0"], _sound(job, dub), *(movie[str(c.index)] for c in job.carried)]
    options = _output_options(job, suffix)
    command = ffmpeg.output(*streams, _file(output), **options).compile(cmd=_binary(), overwrite_output=True)
    if not job.carried and not job.info.still:
        command = _with_input(command, _file(job.info.path))
    # ffmpeg-python has no notation for an option that is given twice, either.
    repeated = _tags_gone(job) + _attachments(job, attached)
    place = command.index(_file(output))
    _run([*command[:place], *repeated, *command[place:]], job.info.path)
    _check_finished(output, job.info.path)


def _file(path: Path) -> str:
    return f"file:{path}"


def _binary() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _rotation(info: VideoInfo) -> dict[str, Any]:
    """The display matrix, which the intermediate file does not have."""
    return {"display_rotation": info.geometry.rotation} if info.geometry.rotation else {}


def _from_zero(origin: Fraction) -> dict[str, Any]:
    """Give what a player shows at time 0 the time stamp 0."""
    return {"itsoffset": f"{float(-origin):.6f}"} if origin else {}


def _dub_input(job: Remux) -> dict[str, Any]:
    """How the dub is read.

    Not with an end (``-t``): with ``-copyts`` it would end an input without a start time, like WAV or ADTS,
    at its first packet. The size of the queue is ffmpeg's own; with it, ffmpeg-python takes a dub that is the
    movie itself for another input, as the numbers of the inputs below need it.
    """
    return {"thread_queue_size": 8} | _from_zero(job.dub.origin)


def _cut(job: Remux) -> dict[str, Any]:
    """A copied dub is cut at the picture's end, packet by packet, and no other stream with it."""
    if job.sound.codec != "copy" or job.dub.codec in LOSSLESS:
        return {}
    return {"bsf:1": f"noise=drop=gte(pts*tb\\,{float(job.length):.6f})"}


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
    options |= {"c:0": "copy", "c:1": job.sound.codec} | _cut(job)
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
    if suffix in MP4_LIKE:
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


def _tags_gone(job: Remux) -> list[str]:
    return [] if job.info.still else [w for tag in _STALE_TAGS for w in ("-metadata:s:0", f"{tag}=")]


def _attachments(job: Remux, covers: Sequence[Carried]) -> list[str]:
    """Write cover art beside the picture, and attach it to the output, after all other streams."""
    words: list[str] = []
    for number, cover in enumerate(covers, start=2 + len(job.carried)):
        name, kind = COVERS[next(s.codec or "" for s in job.info.streams if s.index == cover.index)]
        path = job.picture.parent / f"{cover.index}.{name}"
        with opened(job.info.path) as container:
            packets = container.demux(container.streams[cover.index])
            data = next((bytes(packet) for packet in packets if packet.size), b"")
        try:
            path.write_bytes(data)
        except OSError as exc:
            raise RenderError(f"{path} cannot be written ({exc.strerror}); make space.") from exc
        about = f"-metadata:s:{number}"
        words += ["-attach", str(path), about, f"mimetype={kind}", about, f"filename={name}"]
    return words


def _check_finished(output: Path, movie: Path) -> None:
    """ffmpeg leaves out streams without packets, and does not fail; read the first packet of each."""
    try:
        with opened(output) as container:
            wanted = {s.index for s in (*container.streams.video[:1], *container.streams.audio[:1])}
            for packet in container.demux(*(container.streams[index] for index in wanted)):
                if packet.size:
                    wanted.discard(packet.stream.index)
                if not wanted:
                    break
            missing = bool(wanted) or not container.streams.video or not container.streams.audio
    except MediaError as exc:
        raise RenderError(f"ffmpeg wrote a file that cannot be read: {exc}") from exc
    if missing:
        raise RenderError(
            f"ffmpeg put {movie} and its dub together without picture or sound; please report this."
        )


def _with_input(command: list[str], path: str) -> list[str]:
    """Add an input that gives only tags and chapters, which ffmpeg-python has no notation for."""
    place = next(i for i, word in enumerate(command) if word in {"-filter_complex", "-map"})
    return [*command[:place], "-i", path, *command[place:]]


def _run(command: Sequence[str], movie: Path) -> None:
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
        raise RenderError(f"ffmpeg could not put {movie} and its dub together: {reason.rstrip('.')}.")
