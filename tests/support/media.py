"""Synthetic movies, pictures and sounds, small and made in a blink, and readers to check others with.

Every maker returns the path it wrote, is seeded, and needs nothing but PyAV; what goes around a picture
(subtitles, chapters, cover art, …) is put there by the ffmpeg binary.

    path = movie(tmp_path / "a.mp4")                                   12 frames of H.264, 25 fps
    path = movie(tmp_path / "a.mov", pts=[0, 640, 1024], rotation=90)  variable rate, turned
    path = movie(tmp_path / "a.mkv", sound=True, extras=Extras(title="A", subtitle=True))
    path = click_file(tmp_path / "a.m4a", times=[0.25, 0.75])          clicks at known times
    path = still(tmp_path / "a.png", (33, 21))
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

SIZE = (160, 96)
COUNT = 12
RATE = 48_000
CLICK_SECONDS = 0.012
"""Length of a click; its middle is its time."""

SOUND_CODECS = {
    ".wav": "pcm_s16le", ".flac": "flac", ".m4a": "aac", ".mp3": "libmp3lame", ".opus": "libopus",
    ".mp4": "aac", ".mov": "aac", ".mkv": "aac", ".webm": "libopus", ".ts": "aac", ".avi": "libmp3lame",
}  # fmt: skip


@dataclass(frozen=True)
class Tags:
    """Colour tags, as numbers of H.273."""

    range: int = 1
    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


@dataclass(frozen=True)
class Extras:
    """What a movie has besides its picture and its sound.

    Attributes:
        title: global tag; the artist is then "Nobody".
        chapters: number of chapters, half a second each.
        subtitle: one German text stream.
        second_sound: a second sound track, in Spanish.
        cover: a picture of the movie's cover.
        attachment: a file attached (Matroska only).
    """

    title: str | None = None
    chapters: int = 0
    subtitle: bool = False
    second_sound: bool = False
    cover: bool = False
    attachment: bool = False


def images(size: tuple[int, int] = SIZE, count: int = COUNT, *, noise: bool = True, seed: int = 0):
    """`count` RGB images [H, W, 3] uint8: a moving gradient with a square in it, and noise."""
    random = np.random.default_rng(seed)
    width, height = size
    y, x = np.mgrid[:height, :width]
    for number in range(count):
        red = 40 + 160 * x / width
        green = 60 + 120 * (y + number) / (height + count)
        blue = 128 + 90 * np.sin((x + y + 4 * number) / 17)
        image = np.stack([red, green, blue], axis=-1)
        left = (7 * number) % max(1, width - 16)
        image[height // 3 : height // 3 + 16, left : left + 16] = (200, 60 + 5 * (number % 20), 40)
        if noise:
            image += random.normal(0, 6, image.shape)
        yield np.clip(image, 0, 255).astype(np.uint8)


def filled_frame(pix_fmt: str, size: tuple[int, int] = SIZE, *, bits: int = 8, shift: int = 0, seed: int = 0):
    """A frame of any 8- to 16-bit format, all of whose samples are random (and so mostly have no RGB).

    Args:
        pix_fmt: libav's name.
        size: (width, height).
        bits: of a sample.
        shift: zero bits below a sample (6 in p010le).
        seed: of the samples.
    """
    random = np.random.default_rng(seed)
    frame = av.VideoFrame(*size, pix_fmt)
    for plane in frame.planes:
        length = plane.buffer_size // (1 if bits == 8 else 2)
        values = random.integers(0, 2**bits, length) << shift
        plane.update(values.astype(np.uint8 if bits == 8 else "<u2").tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


def regular_pts(count: int, rate: Fraction, time_base: Fraction, start: int = 0) -> list[int]:
    """Presentation times of a constant rate, each rounded once."""
    return [start + round(n / rate / time_base) for n in range(count)]


def movie(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    count: int = COUNT,
    rate: Fraction = Fraction(25),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12_800),
    options: Mapping[str, str] | None = None,
    tags: Tags | None = None,
    sample_aspect: Fraction = Fraction(1),
    rotation: int = 0,
    noise: bool = True,
    frames: Iterable[av.VideoFrame] | None = None,
    sound: bool | Path = False,
    extras: Extras | None = None,
    format: str | None = None,
) -> Path:
    """Write a movie.

    Args:
        path: where to; the suffix names the container unless `format` does.
        codec: libavcodec's encoder.
        pix_fmt: of the coded picture.
        size: (width, height) as coded.
        count: number of frames; ignored when `pts` is given.
        rate: frames a second, for times and as a tag.
        pts: presentation times in `time_base`; regular if not given.
        time_base: unit of `pts`; the file keeps it where the container can.
        options: of the encoder.
        tags: colour tags.
        sample_aspect: width of a pixel over its height.
        rotation: degrees, counter-clockwise, that a player turns the picture by.
        noise: add noise to the synthetic images.
        frames: pictures to encode instead of synthetic ones.
        sound: True for a click track as long as the picture, or a sound file to take it from.
        extras: what else is in the file.
        format: libavformat's name of the container.
    """
    pts = list(regular_pts(count, rate, time_base) if pts is None else pts)
    if sound is True:
        end = float(pts[-1] * time_base + 1 / rate)
        sound = click_file(path.with_name(path.name + ".sound.wav"), times=(0.1,), seconds=end)
    bare = path if not (sound or extras) else path.with_name(f"{path.stem}.bare{path.suffix}")
    scale = str(time_base.denominator)
    mov = (format or path.suffix) in {".mp4", ".mov", ".m4v", "mp4", "mov"}
    container_options = {"video_track_timescale": scale, "movie_timescale": scale} if mov else {}
    with av.open(f"file:{bare}", "w", format=format, container_options=container_options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.thread_count = 2
        context.sample_aspect_ratio = sample_aspect
        context.options = dict(options or {})
        if tags:
            context.color_range, context.colorspace = tags.range, tags.matrix
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if rotation:
            stream.set_display_rotation(rotation)
        for time, frame in zip(pts, frames or _frames(size, len(pts), pix_fmt, noise, tags), strict=False):
            frame.pts, frame.time_base, frame.pict_type = time, time_base, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if bare != path:
        _dress(bare, path, sound or None, extras or Extras())
        bare.unlink()
    return path


def still(path: Path, size: tuple[int, int] = SIZE, *, pix_fmt: str | None = None, seed: int = 0) -> Path:
    """Write a picture; the suffix (.png, .jpg, .bmp, …) names its format."""
    codec = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg", ".bmp": "bmp", ".tiff": "tiff"}[path.suffix]
    image = next(iter(images(size, 1, seed=seed)))
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    with av.open(f"file:{path}", "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream(codec, rate=25)
        default = {"mjpeg": "yuvj420p", "bmp": "bgr24"}.get(codec, "rgb24")
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt or default
        container.mux(stream.encode(frame.reformat(format=stream.pix_fmt, dst_color_range=2)))
        container.mux(stream.encode(None))
    return path


def clicks(
    times: Sequence[float], seconds: float, rate: int = RATE, channels: int = 1
) -> NDArray[np.float32]:
    """Samples [n, channels]: a short burst whose middle is at each time, the same in all channels."""
    n = np.arange(round(seconds * rate))
    samples = np.zeros(len(n), np.float32)
    for time in times:
        samples += _click(n / rate - time)
    return np.repeat(samples[:, None], channels, axis=1)


def click_file(
    path: Path,
    *,
    times: Sequence[float] = (0.25, 0.5, 0.75),
    seconds: float = 1.0,
    rate: int = RATE,
    channels: int = 1,
    layout: str | None = None,
    codec: str | None = None,
    start: float = 0.0,
) -> Path:
    """Write a click track; the suffix names container and codec (WAV, FLAC, M4A, MP3, Opus, …).

    Args:
        path: where to.
        times: seconds of the clicks, as a player of the file should play them.
        seconds: length of the sound.
        rate: samples a second (Opus: 48000).
        channels: 1 or 2.
        layout: of the channels, for example ``5.1``, instead of `channels`.
        codec: encoder, if not the suffix's usual one.
        start: time stamp of the first sample, where the container has time stamps.
    """
    layout = layout or {1: "mono", 2: "stereo"}[channels]
    samples = clicks(times, seconds, rate, av.AudioLayout(layout).nb_channels)
    return write_sound(path, samples, rate, layout=layout, codec=codec, start=start)


def write_sound(
    path: Path,
    samples: NDArray[np.float32],
    rate: int = RATE,
    *,
    layout: str = "mono",
    codec: str | None = None,
    start: float = 0.0,
) -> Path:
    """Write samples [n, channels] in [−1, 1] as a sound file."""
    codec = codec or SOUND_CODECS[path.suffix]
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        context = stream.codec_context
        if codec in {"aac", "libmp3lame", "libopus"}:
            context.bit_rate = 96_000 * samples.shape[1]
        form = context.format.name
        resampler = av.AudioResampler(format=form, layout=layout, rate=rate)
        step = 1024
        for first in range(0, len(samples), step):
            block = np.ascontiguousarray(samples[first : first + step].T, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first + round(start * rate)
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def decoded_sound(
    path: Path, origin: Fraction = Fraction(0), track: int = 0
) -> tuple[NDArray[np.float32], int]:
    """A sound track as a player plays it: samples [n, channels] from time `origin` on, and their rate.

    Honours the start time, edit lists and priming; overlaps and gaps of more than 2 ms are an AssertionError.
    """
    parts: list[NDArray[np.float32]] = []
    with av.open(f"file:{path}") as container:
        stream = container.streams.audio[track]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler(format="flt", rate=rate)
        position: int | None = None
        for frame in container.decode(stream):
            here = round((frame.pts * frame.time_base - origin) * rate)
            if position is None:
                position = here
                parts.append(np.zeros((max(0, here), frame.layout.nb_channels), np.float32))
            assert abs(here - position) <= rate / 500, (here, position)
            for part in resampler.resample(frame):
                block = part.to_ndarray().reshape(-1, frame.layout.nb_channels)
                parts.append(block[max(0, -position) :])
                position += len(block)
    return np.concatenate(parts), rate


def click_offsets(samples: NDArray[np.floating], rate: int, times: Sequence[float]) -> NDArray[np.float64]:
    """Seconds by which each click in samples [n] comes late (by cross-correlation, to a part of a sample)."""
    reach, half = round(0.04 * rate), round(CLICK_SECONDS * rate)
    late = []
    for time in times:
        middle = round(time * rate)
        index = np.arange(middle - reach - half, middle + reach + half + 1)
        inside = (index >= 0) & (index < len(samples))
        heard = np.where(inside, samples[np.clip(index, 0, len(samples) - 1)], 0)
        template = _click(np.arange(middle - half, middle + half + 1) / rate - time)
        coarse = int(np.correlate(heard, template, "valid").argmax()) - reach
        lags = (coarse + np.arange(-16, 17) / 16) / rate
        match = [float(np.dot(heard, _click(index / rate - time - lag))) for lag in lags]
        late.append(lags[int(np.argmax(match))])
    return np.array(late)


def frame_times(path: Path) -> list[Fraction]:
    """Seconds of every decoded picture of the first picture stream, in the container's clock, exactly."""
    with av.open(f"file:{path}") as container:
        return [frame.pts * frame.time_base for frame in container.decode(container.streams.video[0])]


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in dB."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def ffmpeg(*arguments: str) -> bytes:
    """Run the ffmpeg binary; its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def _click(seconds: NDArray[np.floating]) -> NDArray[np.float32]:
    window = np.cos(np.pi * np.clip(seconds / CLICK_SECONDS, -0.5, 0.5)) ** 2
    # 700 and 1900 Hz together: one clear peak in the correlation.
    tone = np.cos(2 * np.pi * 700 * seconds) + np.cos(2 * np.pi * 1900 * seconds)
    return (0.4 * window * tone).astype(np.float32)


def _frames(
    size: tuple[int, int], count: int, pix_fmt: str, noise: bool, tags: Tags | None
) -> Iterator[av.VideoFrame]:
    for image in images(size, count, noise=noise):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        matrix = tags.matrix if tags else 6
        full = tags.range if tags else 1
        yield frame.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=full)


def _dress(bare: Path, path: Path, sound: Path | None, extras: Extras) -> None:
    """Copy the picture of `bare` into `path` with everything around it."""
    inputs, maps, options, made = [bare], ["0:v"], ["-c", "copy"], []
    if sound:
        maps.append(f"{len(inputs)}:a")
        inputs.append(sound)
        options += ["-c:a", SOUND_CODECS[path.suffix], "-metadata:s:a:0", "language=eng"]
    if extras.second_sound:
        made.append(click_file(path.with_name(path.name + ".second.wav"), times=(0.2,), seconds=0.5))
        maps.append(f"{len(inputs)}:a")
        inputs.append(made[-1])
        number = 1 if sound else 0
        codec = SOUND_CODECS[path.suffix]
        options += ["-c:a", codec, f"-metadata:s:a:{number}", "language=spa"]
    if extras.subtitle:
        made.append(path.with_name(path.name + ".srt"))
        made[-1].write_text("1\n00:00:00,100 --> 00:00:00,300\nGrüße\n\n")
        maps.append(f"{len(inputs)}:s")
        inputs.append(made[-1])
        options += ["-c:s", "srt" if path.suffix == ".mkv" else "mov_text", "-metadata:s:s:0", "language=ger"]
    if extras.cover:
        made.append(still(path.with_name(path.name + ".cover.jpg"), (48, 64)))
        maps.append(f"{len(inputs)}:v")
        inputs.append(made[-1])
        options += ["-disposition:v:1", "attached_pic"]
    if extras.title or extras.chapters:
        made.append(path.with_name(path.name + ".txt"))
        made[-1].write_text(_tags(extras))
        options += ["-map_metadata", str(len(inputs)), "-map_chapters", str(len(inputs))]
        inputs.append(made[-1])
    if extras.attachment:
        made.append(path.with_name(path.name + ".font.ttf"))
        made[-1].write_bytes(bytes(range(256)))
        options += ["-attach", str(made[-1]), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    if path.suffix in {".mp4", ".mov", ".m4v"}:
        with av.open(f"file:{bare}") as container:
            options += ["-video_track_timescale", str(container.streams.video[0].time_base.denominator)]
    given = [word for each in inputs for word in ("-i", f"file:{each}")]
    mapped = [word for each in maps for word in ("-map", each)]
    ffmpeg("-copyts", *given, *mapped, *options, f"file:{path}")
    for file in made:
        file.unlink()


def _tags(extras: Extras) -> str:
    lines = [";FFMETADATA1"]
    if extras.title:
        lines += [f"title={extras.title}", "artist=Nobody"]
    for number in range(extras.chapters):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={500 * number}", f"END={500 * number + 500}"]
        lines += [f"title=Part {number + 1}"]
    return "\n".join(lines) + "\n"
