"""What is believed of a file's headers: bounds that nothing real reaches, checked before anything is done."""

from fractions import Fraction
from pathlib import Path

from lipdub.errors import MediaError

STILL_RATE = Fraction(25)
"""A picture that becomes a movie gets the frame rate the network was trained at."""

SLOWEST, FASTEST = Fraction(1, 3600), Fraction(100_000)
"""Frames a second that are believed: from a slide an hour to high-speed cameras."""

LONGEST_STILL = 3600
"""Seconds for which a movie may show one frame, or none at its start; more is a damaged time stamp."""

MAX_PIXELS = 35_651_584
"""Pixels of the largest picture that H.264 and HEVC (level 6.2) and AV1 (level 6) know: 8192×4352."""

MAX_SIDE = 16_384
"""Pixels of the longest side that the encoders of H.264, HEVC and AV1 take."""

DECODER_BOUND = {"max_pixels": str(MAX_PIXELS)}
"""Options with which libavcodec refuses larger pictures before it asks for memory."""

MAX_RATE, MIN_RATE = 768_000, 2_000
MAX_CHANNELS = 64
"""Samples a second, and channels, of the most that studios record (eight times 96 kHz, ambisonics of the
seventh order); a header that says more, or less than a telephone, is damaged."""


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that are too large.

    Raises:
        MediaError: there are more than `MAX_PIXELS`, or a side has more than `MAX_SIDE`.
    """
    if max(width, height) > MAX_SIDE:
        raise MediaError(
            f"{path} has pictures of {width}×{height} pixels, and {MAX_SIDE:,} are the most of a side that"
            " can be dubbed; make it smaller first."
        )
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{path} has pictures of {width}×{height} pixels, more than the {MAX_PIXELS:,} (8192×4352) that"
            " can be dubbed; make it smaller first."
        )


def check_start(path: Path, seconds: Fraction) -> None:
    """Refuse a movie that shows nothing for too long.

    Raises:
        MediaError: its first frame, shown at `seconds`, is more than `LONGEST_STILL` from 0.
    """
    if abs(seconds) > LONGEST_STILL:
        raise MediaError(
            f"{path} shows its first frame at {float(seconds):.0f} s; copy it with ffmpeg"
            " (-i MOVIE -c copy COPY) so that it begins at 0."
        )


def check_time_base(path: Path, time_base: Fraction) -> None:
    """Refuse a movie whose clock hardly ever ticks.

    Raises:
        MediaError: from one tick to the next, `time_base` seconds, is longer than any picture is shown.
    """
    if time_base > LONGEST_STILL:
        raise MediaError(
            f"{path} has a clock that ticks once in {float(time_base):.2g} s: its header is damaged;"
            " export it again."
        )


def check_sound(path: Path, rate: int, channels: int) -> None:
    """Refuse sound that nobody records.

    Raises:
        MediaError: the samples a second or the number of channels cannot be.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise MediaError(
            f"{path} says that it has {rate} samples a second, which no recording has ({MIN_RATE} to"
            f" {MAX_RATE}): it is damaged; export the sound again."
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise MediaError(
            f"{path} says that it has {channels} channels, and {MAX_CHANNELS} are the most that can be used;"
            " mix them down first."
        )


def believed_rate(*rates: Fraction | None) -> Fraction:
    """The first rate that can be, or the usual one: a frame has its own time, whatever a header says."""
    known = (Fraction(rate) for rate in rates if rate)
    return next((rate for rate in known if SLOWEST <= rate <= FASTEST), STILL_RATE)
