"""The filters between the sound files and the output: each in its place, mixed, held below full scale."""

import re
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf, isfinite, isnan, log10
from typing import Any

import ffmpeg
import imageio_ffmpeg

from lipdub.errors import MediaError, RenderError
from lipdub.media.hearing import gap
from lipdub.media.probe_sound import AudioInfo

LAST_LINES, LONGEST_LINE = 64, 1000
"""Lines of ffmpeg's words that are kept, and bytes of each."""

_FAR = re.compile(rb"out_time_us=(\d+)$")
"""How ffmpeg's reports of progress name the microseconds that are done."""

PEAK = 0.988
"""What peaks of a mix are held at where it would clip: -0.1 dB of full scale."""

_OPUS_LAYOUTS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"
"""What libopus takes: AC-3's 5.1(side), say, becomes 5.1, each surround its own."""


@dataclass(frozen=True, slots=True)
class Level:
    """How loud and long a mix is: its highest sample (1 is full scale), and seconds from time 0 on."""

    peak: float
    seconds: Fraction

    @property
    def clips(self) -> bool:
        """Whether samples go beyond full scale."""
        return self.peak > 1

    @property
    def notes(self) -> list[str]:
        """What is to be said of it."""
        if not self.clips:
            return []
        over = f"{20 * log10(self.peak):.1f} dB" if isfinite(self.peak) else "far"
        return [f"dub and background together go {over} over full scale; a limiter holds those peaks."]


def mixed(dub: AudioInfo, background: AudioInfo | None) -> AudioInfo:
    """What is heard: the dub, or its sum with the background, which has the background's layout."""
    if background is None:
        return dub
    return replace(
        dub,
        codec="pcm_s24le",
        rate=max(dub.rate, background.rate),
        channels=background.channels,
        layout=background.layout,
        bits=24,
        gapless=False,
        frame=0,
    )


def placed(stream: Any, dub: AudioInfo, offset: Fraction = Fraction(0)) -> Any:
    """A sound whose sample 0 is time 0, moved by `offset` to the nearest sample.

    What is missing by its time stamps is silence, and what is there twice is heard once.
    """
    # The rate is named, since ffmpeg would else change it here for an encoder, before samples are counted.
    filled = stream.filter(
        "aresample",
        dub.rate,
        **{"async": 1, "first_pts": 0, "min_comp": "0.000001", "min_hard_comp": gap(dub)},
    )
    samples = round(offset * dub.rate)
    if samples > 0:
        return filled.filter("adelay", delays=f"{samples}S", all=1)
    if samples < 0:
        return filled.filter("atrim", start_sample=-samples).filter("asetpts", f"PTS-{-samples}")
    return filled


def summed(dub: Any, background: Any, heard: AudioInfo) -> Any:
    """The sum of two sounds in their places, neither louder nor softer, at 64 bits.

    The dub is folded into the background's layout, or spread in it, as ITU-R BS.775 says and libswresample
    does by itself: one channel is the centre where there is one, else left and right at -3 dB each, which
    together are as loud; a pair stays left and right; a centre without a loudspeaker is left and right
    at -3 dB. Floating point keeps libswresample from scaling anything down.
    """
    parts = [
        part.filter("aresample", heard.rate, filter_size=64, cutoff=0.97).filter(
            "aformat", sample_fmts="dblp", channel_layouts=heard.layout
        )
        for part in (dub, background)
    ]
    return ffmpeg.filter(parts, "amix", inputs=2, normalize=0, duration="longest", dropout_transition=0)


def limited(mix: Any) -> Any:
    """Peaks held below full scale, and nothing else changed: a look-ahead limiter without make-up gain."""
    return mix.filter("alimiter", limit=PEAK, level=0, latency=1, attack=5, release=50)


def filled_up(sound: Any, heard: AudioInfo, length: Fraction) -> Any:
    """Padded with silence, or cut, to a length in seconds, to the nearest sample."""
    return sound.filter("apad").filter("atrim", end_sample=round(length * heard.rate))


def fit_for(encoder: str, sound: Any, channels: int) -> Any:
    """In the form an encoder takes."""
    if encoder == "libopus" and channels > 2:
        return sound.filter("aformat", channel_layouts=_OPUS_LAYOUTS)
    return sound


def measure_mix(
    dub: AudioInfo,
    background: AudioInfo,
    offset: Fraction = Fraction(0),
    told: Callable[[int], None] = lambda _: None,
) -> Level:
    """Mix once without keeping anything, to know whether it clips and how long it is.

    Args:
        dub, background: the sounds.
        offset: seconds by which the dub is heard later than it lies in its file.
        told: called with the seconds that are mixed, about once a second.

    Raises:
        MediaError: one of the sounds cannot be decoded.
        RenderError: ffmpeg cannot be started.
    """
    heard = mixed(dub, background)
    one, two = (
        ffmpeg.input(f"file:{sound.path}", thread_queue_size=size, **from_zero(sound.origin))
        for size, sound in ((8, dub), (16, background))  # so that one file can be both
    )
    parts = placed(one["a:0"], dub, offset), placed(two["a:0"], background)
    mix = summed(*parts, heard).filter(
        "astats", measure_perchannel="none", measure_overall="Peak_level+Number_of_samples"
    )
    how = {"copyts": None, "nostdin": None, "v": "info", "nostats": None, "progress": "pipe:2"}
    command = ffmpeg.output(mix, "-", f="null", **how)
    words = _said(command.compile(cmd=imageio_ffmpeg.get_ffmpeg_exe()), told)
    peaks = re.findall(r"Peak level dB: (\S+)", words)  # the last ones: tags of a file may say anything
    samples = re.findall(r"Number of samples: (\d+)", words)
    if not (peaks and samples):
        raise MediaError(f"{dub.path} and {background.path} cannot be mixed; is one of them damaged?")
    decibel = float(peaks[-1])  # -inf for silence, not a number where floating point sound is damaged
    peak = inf if isnan(decibel) else 10 ** (decibel / 20)
    level = Level(peak, Fraction(int(samples[-1]), heard.rate))
    told(int(level.seconds))  # ffmpeg's last report comes before the end
    return level


def from_zero(origin: Fraction) -> dict[str, Any]:
    """Give what a player shows at time 0 the time stamp 0."""
    return {"itsoffset": f"{float(-origin):.6f}"} if origin else {}


def _said(command: list[str], told: Callable[[int], None]) -> str:
    """The end of what ffmpeg says, where the figures are: of a damaged sound it complains without end.

    Lines that say how far it is are handed on, in seconds.
    """
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as exc:
        raise RenderError(f"ffmpeg could not be started ({exc.strerror}); run `lipdub doctor`.") from exc
    last = deque[bytes](maxlen=LAST_LINES)
    with child:
        try:
            assert child.stderr
            while line := child.stderr.readline(LONGEST_LINE):
                if far := _FAR.match(line):
                    told(int(far[1]) // 1_000_000)
                last.append(line)
        except BaseException:
            child.kill()
            raise
    return b"".join(last).decode(errors="replace")
