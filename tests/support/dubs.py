"""Dubs of every kind with clicks in them, and two readers that say where a player hears the clicks."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.probe_sound import AudioInfo, probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import SoundChoice, choose_sound
from lipdub.sampling import NETWORK_RATE
from tests.support.media import click_file, click_offsets, decoded_sound, ffmpeg, movie
from tests.support.picture import PictureWriter, picture_of

TIMES = (0.25, 0.5, 0.75)
CONTAINERS = (".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi")
Pictures = dict[str, tuple[VideoInfo, Path]]


@dataclass(frozen=True)
class Kind:
    """How a dub is made of a WAV file of clicks.

    Attributes:
        suffix: of its name.
        options: of ffmpeg, after the input.
        rate, layout: of the clicks.
        late: seconds by which its own sound stream begins late.
        picture: pts, in 1/12800 s, at which a picture begins that lies in the same file.
        exact: clicks are heard at the times that were put in, so that readers can be checked, too.
    """

    suffix: str
    options: tuple[str, ...]
    rate: int = 48_000
    layout: str = "mono"
    late: float = 0.0
    picture: int | None = None
    exact: bool = True


def _kind(suffix: str, options: str, **more: object) -> Kind:
    return Kind(suffix, tuple(options.split()), **more)  # type: ignore[arg-type]


KINDS = {
    "WAV 16": _kind(".wav", "-c:a pcm_s16le"),
    "WAV 24, 44.1 kHz, stereo": _kind(".wav", "-c:a pcm_s24le", rate=44_100, layout="stereo"),
    "WAV float, 96 kHz, 5.1": _kind(".wav", "-c:a pcm_f32le", rate=96_000, layout="5.1"),
    "FLAC, 44.1 kHz": _kind(".flac", "-c:a flac", rate=44_100),
    "FLAC, 96 kHz, 5.1": _kind(".flac", "-c:a flac", rate=96_000, layout="5.1"),
    "ALAC in M4A, stereo": _kind(".m4a", "-c:a alac", layout="stereo"),
    "AAC in M4A": _kind(".m4a", "-c:a aac"),
    "AAC in M4A, 44.1 kHz, stereo": _kind(".m4a", "-c:a aac", rate=44_100, layout="stereo"),
    "AAC in MP4, 5.1": _kind(".mp4", "-c:a aac", layout="5.1"),
    "AAC in ADTS": _kind(".aac", "-c:a aac", exact=False),
    "AAC in ADTS, 44.1 kHz": _kind(".aac", "-c:a aac", rate=44_100, exact=False),
    "AAC in TS": _kind(".ts", "-c:a aac", exact=False),
    "AAC in MKV": _kind(".mkv", "-c:a aac"),
    "MP3 with LAME header": _kind(".mp3", "-c:a libmp3lame -b:a 128k"),
    "MP3 with LAME header, 44.1 kHz, stereo": _kind(
        ".mp3", "-c:a libmp3lame -b:a 192k", rate=44_100, layout="stereo"
    ),
    "MP3 without header": _kind(".mp3", "-c:a libmp3lame -write_xing 0 -id3v2_version 0", exact=False),
    "Opus": _kind(".opus", "-c:a libopus"),
    "Opus in WebM, stereo": _kind(".webm", "-c:a libopus", layout="stereo"),
    "Vorbis": _kind(".ogg", "-c:a libvorbis"),
    "Vorbis, 44.1 kHz, stereo": _kind(".ogg", "-c:a libvorbis", rate=44_100, layout="stereo"),
    "AC-3": _kind(".ac3", "-c:a ac3", exact=False),
    "AC-3, 5.1": _kind(".ac3", "-c:a ac3", layout="5.1", exact=False),
    "E-AC-3": _kind(".eac3", "-c:a eac3", exact=False),
    "AAC in MP4, 0.1234 s late": _kind(".mp4", "-c:a aac", late=0.1234),
    "AAC in MP4, 0.1 s before 0 (edit list)": _kind(".mp4", "-c:a aac", late=-0.1),
    "AAC in MKV, 0.123 s late": _kind(".mkv", "-c:a aac", late=0.123),
    "PCM in MKV, 0.123 s late": _kind(".mkv", "-c:a pcm_s16le", late=0.123),
    "PCM in MOV, picture 0.1 s late": _kind(".mov", "-c:a pcm_s16le -c:v copy", picture=1280),
    "AAC in MP4, picture 0.1 s late": _kind(".mp4", "-c:a aac -c:v copy", picture=1280),
    "AAC in TS, picture 0.1 s late": _kind(".ts", "-c:a aac -c:v copy", picture=1280, exact=False),
}
"""Every way in which a dub comes."""


def make(kind: Kind, path: Path, times: Sequence[float] = TIMES, seconds: float = 1.0) -> Path:
    """Write a dub of a kind; its clicks are at `times` as a player shows them, where `kind.exact`."""
    plain = path.with_name(path.name + ".plain.wav")
    moved = [time - kind.late for time in times]
    click_file(
        plain, times=moved, seconds=seconds - kind.late, rate=kind.rate, layout=kind.layout, codec="pcm_f32le"
    )
    given = ["-copyts", "-itsoffset", str(kind.late), "-i", str(plain)] if kind.late else ["-i", str(plain)]
    if kind.picture is not None:
        shown = path.with_name(path.name + ".picture.mov")
        movie(
            shown, count=round(seconds * 10), pts=[kind.picture + 1280 * n for n in range(8)], size=(64, 48)
        )
        given += ["-copyts", "-i", str(shown)]
    ffmpeg(*given, *kind.options, str(path))
    plain.unlink()
    return path


def heard(path: Path, times: Sequence[float], origin: Fraction = Fraction(0)) -> NDArray[np.float64]:
    """Seconds at which PyAV hears each click, from `origin` of the container's clock on."""
    if probe_audio(path).codec == "vorbis":  # single packets of which have times that err by 10 ms
        with av.open(f"file:{path}") as container:
            parts = [f.to_ndarray()[0] for f in container.decode(audio=0)]
            rate = container.streams.audio[0].codec_context.sample_rate
        samples = np.concatenate(parts)
    else:
        sound, rate = decoded_sound(path, origin)
        samples = sound[:, 2 if sound.shape[1] > 2 else 0]
    return np.array(times) + click_offsets(samples, rate, times)


def heard_by_ffmpeg(
    path: Path, times: Sequence[float], origin: Fraction = Fraction(0)
) -> NDArray[np.float64]:
    """The same, of another decoder: ffmpeg's own way to fill and cut a sound to its time stamps."""
    with av.open(f"file:{path}") as container:
        rate = container.streams.audio[0].codec_context.sample_rate
    filters = "asetpts=PTS-(%d),aresample=async=1:min_comp=0.000001:first_pts=0,pan=mono|c0=%s"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-copyts", "-i", f"file:{path}"]
    channel = "FC" if _channels(path) > 2 else "c0"
    command += ["-af", filters % (round(origin * rate), channel), "-map", "0:a:0", "-f", "f32le", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    samples = np.frombuffer(done.stdout, "<f4")
    return np.array(times) + click_offsets(samples, rate, times)


def _channels(path: Path) -> int:
    with av.open(f"file:{path}") as container:
        return int(container.streams.audio[0].codec_context.channels)


def pictures(folder: Path, seconds: int = 1) -> Pictures:
    """A movie, and its picture encoded for each container."""
    source = movie(folder / "movie.mp4", count=10 * seconds, rate=Fraction(10), size=(64, 48))
    info, found = probe_video(source), {}
    for suffix in CONTAINERS:
        encoding = choose_encoding(info, suffix)
        path = folder / f"picture{suffix}.{encoding.encoder.carrier}"
        with PictureWriter(path, info, encoding) as writer:
            for frame in read_frames(info):
                writer.write(frame)
        found[suffix] = info, path
    return found


def put_under(
    picture: tuple[VideoInfo, Path], dub: AudioInfo, output: Path, offset: Fraction = Fraction(0), **more: Any
) -> SoundChoice:
    """Remux a picture of a second with a dub, as the pipeline does; says how the dub travelled."""
    info, path = picture
    length = info.duration or Fraction(1)
    end = Fraction(len(decode_for_network(dub, output.with_suffix(".pcm"))), NETWORK_RATE) + offset
    same = abs(end - length) <= Fraction(1, 1000)
    choice = choose_sound(dub, output.suffix, same, length - end, offset)
    job = Remux(info, picture_of(path, info), dub, choice, length, False, (), offset=offset, **more)
    remux(job, output, output.suffix)
    return choice


def time_zero(output: Path) -> Fraction:
    """What the container's clock shows at time 0 of a movie whose first picture is shown then."""
    if output.suffix != ".ts":
        return Fraction(0)
    with av.open(f"file:{output}") as container:  # a transport stream begins anywhere
        first = next(container.decode(video=0))
        return Fraction(first.pts * first.time_base)
