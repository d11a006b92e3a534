"""Open a media file for reading, whatever its name is and whatever is in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.stream

from lipdub.errors import MediaError
from lipdub.media.bounds import DECODER_BOUND

# A demuxer that takes any file called .txt or .nfo for a movie of a terminal.
_TEXT_FORMAT = "tty"


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a media file for reading; errors of libavformat become `MediaError`.

    Raises:
        MediaError: there is no such file, it is not of the kind, or it is damaged.
    """
    _check_file(path)
    try:
        # Without a pattern type, %03d in the name of a picture would mean other files.
        # Tags may be of any encoding: bytes that are no UTF-8 are kept as they are.
        options = {"pattern_type": "none"} | DECODER_BOUND
        container = av.open(as_file(path), options=options, metadata_errors="surrogateescape")
    except (av.error.FFmpegError, OSError) as exc:
        raise MediaError(f"{path} is not a movie or sound file that can be read ({reason_of(exc)}).") from exc
    try:
        if container.format.name == _TEXT_FORMAT:
            raise MediaError(f"{path} is not a movie or sound file but text.")
        for stream in container.streams.video:
            if stream.codec_context is not None:
                stream.codec_context.options = dict(DECODER_BOUND)
        yield container
    except av.error.FFmpegError as exc:
        raise MediaError(f"{path} is damaged and cannot be decoded further ({reason_of(exc)}).") from exc
    finally:
        container.close()


def _check_file(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as exc:
        raise MediaError(
            f"{os.fsencode(path)!r} is no name in UTF-8, which ffmpeg needs; rename it."
        ) from exc
    try:
        if not path.exists():
            raise MediaError(f"{path}: there is no such file; check the path.")
        if path.is_dir():
            raise MediaError(f"{path} is a folder, not a media file.")
        if not path.is_file():  # to open a pipe would wait for ever, and it can be read only once
            raise MediaError(f"{path} is a pipe or a device; give a file.")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty; was the copy interrupted?")
    except (OSError, ValueError) as exc:  # a name that is too long, a folder that may not be entered, …
        raise MediaError(f"{path} cannot be looked at ({reason_of(exc)}); check the path.") from exc


def as_file(path: Path) -> str:
    """The name by which libavformat and ffmpeg open a file, whatever is in it."""
    # "file:" keeps libavformat from reading a protocol, a pattern or an option into a hostile name.
    return f"file:{path}"


def reason_of(exc: Exception) -> str:
    """What libav or the operating system says, without numbers and names of functions."""
    if isinstance(exc, MemoryError):  # what libav says of tables that no file has room for
        return "its header asks for more memory than there is"
    strerror = getattr(exc, "strerror", None)
    return str(strerror or exc).lower()


def check_decoder(path: Path, stream: av.stream.Stream) -> None:
    """Make sure that a stream can be decoded.

    Raises:
        MediaError: there is no decoder for it.
    """
    if stream.codec_context is None:
        what = "a picture" if stream.type == "video" else "sound"
        raise MediaError(
            f"{path} holds {what} in a codec that cannot be decoded here, or its header is damaged."
        )


def decodes(packet: "av.Packet[Any]") -> bool:
    """Whether a sound packet holds samples; one that is damaged does not, others may."""
    try:
        return bool(packet.decode())
    except av.error.FFmpegError:
        return False
