"""Make the demo: write a clip, and dub it the ordinary way."""

import shlex
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

import soundfile

from lipdub.checks import check_container
from lipdub.demo.clip import RATE, write_clip
from lipdub.demo.portrait import portrait_file, read_portrait
from lipdub.demo.settings import DEMO
from lipdub.disk import telling
from lipdub.options import SyncOptions
from lipdub.outputs import check_output, publish, workspace
from lipdub.pipeline import SyncResult, sync
from lipdub.progress import Progress, silent

SPEECH = "french.flac"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What was made.

    Attributes:
        dubbed: what `lipdub.sync` did.
        kept: the clip and the speech it was made from, if they were to be kept.
    """

    dubbed: SyncResult
    kept: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The result in types of JSON: that of `lipdub.sync`, and what was kept."""
        return {**self.dubbed.as_json(), "kept": [str(path) for path in self.kept]}

    def sentence(self) -> str:
        """Where to look, what is to be seen there, and what to do next; a line each."""
        made = self.dubbed
        kept = " and ".join(map(str, self.kept))
        lines = (
            f"{made.output}: {made.changed} of {made.frames} frames with new lips, in {made.seconds:.1f} s",
            "a portrait by NASA, seen by a moving camera, now speaks French; only its mouth is new",
            f"it was made from {kept}" if kept else "",
            "for your own movie: lipdub sync movie.mp4 --audio french.wav -o out.mp4"
            f" --weights {shlex.quote(made.weights)}",
        )
        return "\n".join(filter(None, lines))


def make_demo(
    output: Path, options: SyncOptions = DEMO, *, keep_inputs: bool = False, progress: Progress = silent
) -> DemoResult:
    """Make a clip from a portrait, and give it the lips of a few seconds of French.

    Args:
        output: the movie to make.
        options: of `lipdub.sync`.
        keep_inputs: leave the clip and the speech beside the output: OUTPUT.source.mp4 and .flac.
        progress: told how far the work is.

    Raises:
        InputError: scikit-image, which has the portrait, is not installed.
        LipdubError: see `lipdub.sync`.
    """
    check_container(output)
    names = kept_names(output) if keep_inputs else ()
    for path in (output, *names):
        check_output(path, (), options.overwrite)
    portrait = read_portrait(portrait_file())
    with workspace(output) as folder:
        clip, speech = folder / "clip.mp4", folder / SPEECH
        with telling(speech):
            speech.write_bytes(french())
        write_clip(portrait, clip, frames_for(speech), progress=progress)
        dubbed = sync(clip, speech, output, options=options, progress=progress)
        kept = [publish(*pair, options.overwrite) for pair in zip((clip, speech), names, strict=False)]
    return DemoResult(dubbed, tuple(kept))


def french() -> bytes:
    """A few seconds of speech, a FLAC file of the package, with a little silence before and after it."""
    return files("lipdub.demo").joinpath(SPEECH).read_bytes()


def kept_names(output: Path) -> tuple[Path, Path]:
    """Names for the clip and the speech, beside the output: ``demo.source.mp4``, ``demo.source.flac``."""
    return output.with_suffix(".source.mp4"), output.with_suffix(".source.flac")


def frames_for(speech: Path) -> int:
    """Frames that a clip must have to be as long as a speech."""
    told = soundfile.info(speech)
    return ceil(Fraction(told.frames, told.samplerate) * RATE)
