"""What ffmpeg says about a picture stream and PyAV does not: Dolby Vision, and where chroma samples lie."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lipdub.errors import MediaError, RenderError

PATIENCE = 60
"""Seconds for ffmpeg to look at a file: it takes less than one, on a slow share some."""

_LOCATION = re.compile(r"Video: .*?\([^()]*\b(left|center|topleft|top|bottomleft|bottom)\)")
_DOLBY = re.compile(r"DOVI configuration record:.*profile: (\d+),.*el flag: (\d),.*compatibility id: (\d+)")


@dataclass(frozen=True, slots=True)
class DolbyVision:
    """The configuration record of Dolby Vision (Dolby Vision Streams Within the ISO Base Media File Format).

    Attributes:
        profile: 5, 7, 8, 9, 10, …
        enhancement: the stream has an enhancement layer besides its base layer.
        base: what the base layer is without the rest: 0 nothing that can be shown, 1 HDR10, 2 SDR in BT.709,
            4 HLG, 6 HDR10 as on discs.
    """

    profile: int
    enhancement: bool
    base: int

    @property
    def showable(self) -> bool:
        """Whether the base layer is a picture on its own; in profile 5 its samples are of no colour space."""
        return self.profile != 5 and (self.base != 0 or self.profile in {4, 7})

    @property
    def name(self) -> str:
        """As people write it: 8.1, 7, 5."""
        return f"{self.profile}.{self.base}" if self.profile in {8, 10} else str(self.profile)


@dataclass(frozen=True, slots=True)
class Described:
    """What was said of one stream; an empty `location` is *unspecified*."""

    dolby: DolbyVision | None = None
    location: str = ""


def describe(path: Path, index: int) -> Described:
    """Ask ffmpeg about a stream of a file; nothing is known of a file that it cannot open.

    Raises:
        MediaError: it does not answer. Not to know would be to dub what must be refused.
        RenderError: it cannot be started.
    """
    import imageio_ffmpeg

    binary = str(imageio_ffmpeg.get_ffmpeg_exe())
    command = [binary, "-hide_banner", "-nostdin", "-v", "verbose", "-i", f"file:{path}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as exc:
        raise MediaError(
            f"ffmpeg could not say within {PATIENCE} s whether {path} is Dolby Vision;"
            " copy it to a faster disk."
        ) from exc
    except OSError as exc:
        raise RenderError(f"ffmpeg could not be started ({exc.strerror}); run `lipdub doctor`.") from exc
    return parsed(done.stderr.decode(errors="replace"), index)


def parsed(words: str, index: int) -> Described:
    """What ffmpeg's words, at the level *verbose*, say about the stream with this index."""
    parts = re.split(r"^ *Stream #0:(\d+)", words, flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True)).get(str(index), "")
    location, dolby = _LOCATION.search(text.partition("\n")[0]), _DOLBY.search(text)
    return Described(
        dolby=DolbyVision(int(dolby[1]), dolby[2] == "1", int(dolby[3])) if dolby else None,
        location=location[1] if location else "",
    )
