"""The stems of a plan: what one person says, in a file of its own."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError, PlanError
from lipdub.media.probe_sound import AudioInfo, probe_audio
from lipdub.media.soundtrack import Soundtrack, lip_sound
from lipdub.plan import Plan, Stem
from lipdub.sampling import NETWORK_RATE

SHORT_SECONDS = 0.25
"""A stem may end so long before its last edit: edits go on for a fade of 0.12 s, files are cut at frames."""
SHOWN_STEMS = 5


def probe_stems(stems: Sequence[Stem]) -> list[AudioInfo]:
    """What the files of stems are.

    Raises:
        PlanError: one of them is not there, or no sound.
    """
    try:
        return [probe_audio(Path(stem.path)) for stem in stems]
    except (MediaError, ValueError) as exc:  # a NUL in a name is a ValueError
        raise PlanError(f"a stem of the plan cannot be heard: {exc}") from exc


def hear_stems(
    stems: Sequence[Stem], offset: Fraction, folder: Path, end: Fraction | None = None
) -> list[npt.NDArray[np.int16]]:
    """Decode stems for the network: 16 kHz mono, [n] int16 each, on the movie's clock like the dub.

    Args:
        stems: the stems, which lie on the dub's clock.
        offset: seconds by which that clock is late.
        folder: of the files that will hold the samples; they are mapped into memory.
        end: seconds of the movie after which no sound is needed.

    Raises:
        PlanError: one of them is not there, or no sound.
        MediaError: no sample can be decoded.
        RenderError: the disk is full.
    """
    sounds = []
    for number, (stem, info) in enumerate(zip(stems, probe_stems(stems), strict=True), 1):
        track = Soundtrack(info, offset=stem.start + offset)
        sounds.append(lip_sound(track, folder / f"stem{number}.pcm", end)[0])
    return sounds


def short_stems(plan: Plan, sounds: Sequence[npt.NDArray[np.int16]]) -> list[str]:
    """What is to be said of stems that end while lips are to say them: a sentence, or none.

    Args:
        plan: what changes.
        sounds: its stems, as `hear_stems` gives them.
    """
    seconds = plan.edits["pts"] * float(plan.time_base) - float(plan.origin)
    short = []
    for number, (stem, sound) in enumerate(zip(plan.stems, sounds, strict=True), 1):
        needed = float(seconds[plan.edits["sound"] == number].max(initial=0))
        end = len(sound) / NETWORK_RATE
        if needed - end > SHORT_SECONDS:
            short.append(f"{Path(stem.path).name} ends at {end:.2f} s, its cue at {needed:.2f} s")
    if not short:
        return []
    more = f"; and {len(short) - SHOWN_STEMS} more" if len(short) > SHOWN_STEMS else ""
    return [f"lips say nothing where a stem ends before its cue: {'; '.join(short[:SHOWN_STEMS])}{more}."]
