"""What of a movie's tags, chapters and flags is not in the output, by reading both."""

from pathlib import Path

from lipdub.media.probe import VideoInfo


def losses(info: VideoInfo, output: Path, suffix: str) -> list[str]:
    return []
