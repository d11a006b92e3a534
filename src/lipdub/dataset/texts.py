"""The options of ``lipdub prepare``: what the command line takes, and the help."""

from fractions import Fraction
from typing import Any

from lipdub.dataset.options import PICTURES, SPEAKERS, SYNC, PrepareOptions
from lipdub.errors import OptionError

# Field of `PrepareOptions`: what the command line takes, and the help.
PREPARE_TEXTS: dict[str, tuple[Any, str]] = {
    "size": (int, "Pixels of the network's crop, in width and height."),
    "margin": (str, "Of the crop's width and height, kept beside it on every side (1/8, 0.25)."),
    "pictures": (str, f"{' or '.join(PICTURES)}; JPEG has quality 95, 4:4:4."),
    "shortest": (int, "Frames of the shortest clip, at 25 a second."),
    "longest": (int, "Frames of the longest clip; what is longer is cut into equal parts."),
    "min_face": (int, "Pixels of the crop's height in the video, below which a face is left out."),
    "sync": (str, f"What becomes of sound that is clearly early or late: {', '.join(SYNC)}."),
    "max_shift": (int, "Frames by which sound is shifted at most; what is further off is dropped."),
    "min_confidence": (
        float | None,
        "Leave out what agrees less with its sound; how large that is depends on what judges.",
    ),
    "expert": (str | None, "Judge sync by the colour expert with these weights (lipsync_expert.pth)."),
    "syncnet": (str | None, "Judge sync by SyncNet with these weights (syncnet_v2.model)."),
    "speakers": (str, f"{' or '.join(SPEAKERS)}: which files show one speaker."),
    "per_shard": (int, "Videos that one shard is made of, at most: the unit of work."),
    "root": (str | None, "The folder that names in lists start from, and lie in; by default the list's own."),
    "fresh": (bool, "Make all shards anew."),
}


def prepare_options(choices: dict[str, Any]) -> PrepareOptions:
    """The options that a command line says.

    Raises:
        OptionError: a value is impossible.
    """
    try:
        margin = Fraction(choices["margin"])
    except (ValueError, ZeroDivisionError) as exc:
        raise OptionError(f"--margin is a number such as 1/8 or 0.25, not {choices['margin']}.") from exc
    return PrepareOptions(**{**choices, "margin": margin})
