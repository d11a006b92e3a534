"""What a user can choose, checked once."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

from lipdub.errors import OptionError

SAMPLERS = ("ddim",)
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
REFERENCES = ("same", "first", "random", "pose")
FACES = ("auto", "largest", "all")
LENGTHS = ("video", "sound", "shortest")
CODECS = ("auto", "h264", "hevc", "av1", "vp9", "prores", "dnxhr", "ffv1")
HWACCELS = ("none", "auto", "nvenc")
DEFAULT_QUALITY = 80
MAX_STEPS = 1000
DEFAULT_WEIGHTS = "diff2lip"
DRAFT_WEIGHTS = "draft"
"""Those that come with lipdub."""

# Option: type of its value.
KINDS: Mapping[str, type] = {
    "weights": str, "preset": str, "steps": int, "sampler": str, "reference": str, "device": str,
    "precision": str, "batch_size": int, "seed": int, "start": Fraction, "end": Fraction, "overwrite": bool,
    "keep_original_audio": bool, "plan": str, "language": str, "length": str, "audio_offset": Fraction,
    "speech": str, "background": str, "codec": str, "quality": int, "hwaccel": str, "fresh": bool,
    "work_dir": str, "keep_work": bool, "faces": str, "cues": str, "keep_unspoken": bool, "debug_video": str,
    "restorer": str, "restorer_strength": float, "draft_if_offline": bool,
}  # fmt: skip
OPTIONAL = frozenset(
    {"weights", "preset", "steps", "batch_size", "start", "end", "plan", "language", "speech", "background",
     "work_dir", "cues", "debug_video", "restorer", "reference"}
)  # fmt: skip
SIGNED = frozenset({"audio_offset"})
"""Times that may be negative."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A row of the table of presets: DDIM steps, what it is for, and the weights where none are named."""

    steps: int
    purpose: str
    weights: str = DEFAULT_WEIGHTS


# More steps cost proportionally more time. The paper samples with 25.
PRESETS = {
    "draft": Preset(5, "a quick look at faces, timing and cut", DRAFT_WEIGHTS),
    "standard": Preset(25, "the paper's setting"),
    "fine": Preset(50, "twice the paper's steps"),
}


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """All choices of one dubbing job; immutable and valid from birth.

    Attributes:
        weights: a name of weights.toml or the path of a checkpoint; None takes the preset's.
        preset: a row of `PRESETS`; None is ``draft`` for the draft weights, and ``standard`` for all others.
        steps: DDIM steps, 1 to 1000; None takes the preset's.
        sampler: ``ddim``.
        reference: ``same`` (the frame itself, as published), ``first``, ``random`` (another frame at least a
            second away), ``pose`` (a frame of the same person, of any shot, with the mouth at rest and the
            head held alike; changed in pauses, never inside a sentence), or the path of a picture of the
            person. None is ``pose`` for the draft weights, which keep too much of a mouth that they are
            shown, and ``same`` for all others.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        batch_size: faces the network works on at once, at least 1; None fits the device.
        seed: of the noise image (7, as published) and of random references.
        start, end: seconds as a player shows them; only frames from start up to end are changed.
        overwrite: replace an output that exists.
        keep_original_audio: keep the replaced sound as a second track.
        plan: path of a plan (see `lipdub.save_plan`) to carry out, instead of deciding what to change.
        language: ISO 639-2 code written on the dub's track, for example ``fra``.
        length: how long the output is: as the ``video``, as the ``sound`` (the picture goes on, or ends
            early), or as the ``shortest`` of both.
        audio_offset: seconds by which the dub is heard later than it lies in its file; may be negative.
        speech: path of the dialogue alone, which then drives the lips instead of the dub.
        background: path of music and effects, mixed under a dub that is dialogue only.
        codec: family of the new picture: one of `CODECS`; ``auto`` is the source's.
        quality: 0 (small) to 100 (best), the same scale for all encoders.
        hwaccel: encode on the graphics card: ``none``, ``auto`` (where there is one) or ``nvenc``.
        fresh: start over instead of going on from an earlier run that was stopped.
        work_dir: folder for unfinished work; None is the output's own.
        keep_work: leave the unfinished work where it is when the output is done.
        faces: who says the dub: ``auto`` (whoever speaks), ``largest`` (of each shot), ``all``, numbers of
            people as the sheet of faces shows them (``1,3``), or the path of a picture of the person.
        cues: path of a list of who says what, when (see `lipdub.cues.read_cues`).
        keep_unspoken: leave a face alone, instead of closing its lips, where it speaks and the dub is silent.
        debug_video: path of a movie to write beside the output, which shows what was decided, frame by frame.
        restorer: a name of weights.toml, or the path of an ONNX model, that makes painted faces finer.
        restorer_strength: 0 (as painted) to 1 (as restored).
        draft_if_offline: where `weights` is None and the published ones are neither here nor to be had, go
            on with the draft weights that come with lipdub, and say so.

    Raises:
        OptionError: a value is not one of those.
    """

    weights: str | None = None
    preset: str | None = None
    steps: int | None = None
    sampler: str = "ddim"
    reference: str | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    seed: int = 7
    start: Fraction | None = None
    end: Fraction | None = None
    overwrite: bool = False
    keep_original_audio: bool = False
    plan: str | None = None
    language: str | None = None
    length: str = "video"
    audio_offset: Fraction = Fraction(0)
    speech: str | None = None
    background: str | None = None
    codec: str = "auto"
    quality: int = DEFAULT_QUALITY
    hwaccel: str = "none"
    fresh: bool = False
    work_dir: str | None = None
    keep_work: bool = False
    faces: str = "auto"
    cues: str | None = None
    keep_unspoken: bool = False
    debug_video: str | None = None
    restorer: str | None = None
    restorer_strength: float = 0.5
    draft_if_offline: bool = False

    def __post_init__(self) -> None:
        for name, kind in KINDS.items():
            _of_kind(name, getattr(self, name), kind)
        if self.preset is not None:
            _one_of("preset", self.preset, PRESETS)
        _one_of("sampler", self.sampler, SAMPLERS)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("length", self.length, LENGTHS)
        _one_of("codec", self.codec, CODECS)
        _one_of("hwaccel", self.hwaccel, HWACCELS)
        _between("quality", self.quality, 0, 100)
        face_numbers(self.faces)
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise OptionError(f"--device takes auto, cpu, cuda, cuda:N or mps, not {self.device!r}.")
        _between("steps", self.steps, 1, MAX_STEPS)
        _between("batch-size", self.batch_size, 1, 4096)
        _between("seed", self.seed, 0, 2**63 - 1)
        if not 0 <= self.restorer_strength <= 1:
            raise OptionError(
                f"--restorer-strength takes a number from 0 to 1, not {self.restorer_strength}."
            )
        if self.start is not None and self.start < 0:
            raise OptionError("--start must not be negative.")
        if self.end is not None and self.end <= (self.start or 0):
            raise OptionError("--end must lie after --start.")
        # MP4 has room for three letters only.
        if self.language is not None and not re.fullmatch("[a-z]{3}", self.language):
            raise OptionError(f"--language takes a code of three letters such as fra, not {self.language!r}.")

    @property
    def sampling_steps(self) -> int:
        """DDIM steps: those asked for, else the preset's."""
        return self.steps if self.steps is not None else self._preset.steps

    @property
    def network_weights(self) -> str:
        """Name or path of the weights: those asked for, else the preset's."""
        return self.weights if self.weights is not None else self._preset.weights

    @property
    def shown_reference(self) -> str:
        """What the network is shown of the person: what was asked for, else what suits its weights."""
        if self.reference is not None:
            return self.reference
        return "pose" if self.network_weights == DRAFT_WEIGHTS else "same"

    @property
    def may_use_draft(self) -> bool:
        """Whether the draft weights may stand in for the published ones, which nobody asked for by name."""
        return self.draft_if_offline and self.weights is None and self.network_weights == DEFAULT_WEIGHTS

    @property
    def _preset(self) -> Preset:
        suits = "draft" if self.weights == DRAFT_WEIGHTS else "standard"
        return PRESETS[self.preset or suits]

    def painted_with(self, weights: str) -> Self:
        """The options where it is known which weights paint: the draft's bring what suits them.

        Args:
            weights: their name, if they have one, or path.
        """
        return replace(self, weights=DRAFT_WEIGHTS) if weights == DRAFT_WEIGHTS else self


def face_numbers(text: str) -> tuple[int, ...] | None:
    """The numbers of people in ``1,3``; None if it is no list of numbers, but a word or a path.

    Raises:
        OptionError: there is nobody of such a number, nothing at all in it, or something beside numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not any(parts):
        raise OptionError(f"--faces takes {', '.join(FACES)}, numbers such as 1,3, or a picture.")
    other = [part for part in parts if not re.fullmatch(r"-?\d{1,9}", part, re.ASCII)]
    if other and (len(other) == len(parts) or "." in text):
        return None
    if other:
        raise OptionError(f"--faces {text}: {other[0]!r} is no number; write numbers such as 1,3.")
    numbers = tuple(dict.fromkeys(int(part) for part in parts))
    if min(numbers) < 1:
        raise OptionError(f"--faces takes numbers from 1, as the sheet of faces shows them, not {text}.")
    return numbers


def parse_time(text: str, *, signed: bool = False) -> Fraction:
    """Seconds from ``12.5``, ``1:02.5`` or ``1:00:02.5``, exactly; with a sign before it if `signed`.

    Raises:
        OptionError: it is none of those.
    """
    if signed and text.strip()[:1] in {"-", "+"}:
        size = parse_time(text.strip()[1:])
        return -size if text.strip()[0] == "-" else size
    parts = text.strip().split(":")
    try:
        if len(parts) > 3 or any(not _plain_number(part) for part in parts):
            raise ValueError
        seconds = Fraction(0)
        for place, part in enumerate(parts):
            if place and Fraction(part) >= 60:
                raise OptionError(f"{text!r} is not a time: {part} must be less than 60 after a colon.")
            seconds = seconds * 60 + Fraction(part)
    except ValueError as exc:
        raise OptionError(f"{text!r} is not a time; write seconds (12.5) or h:mm:ss (1:00:12.5).") from exc
    return seconds


def choose(options: SyncOptions | None, choices: Mapping[str, Any]) -> SyncOptions:
    """Options with some of them chosen anew.

    Args:
        options: None for the defaults.
        choices: fields of `SyncOptions`; times may also be text (``"1:02.5"``) or decimal numbers.

    Raises:
        OptionError: there is no such option, or a value is impossible.
    """
    times = {name: _exact(name, value) for name, value in choices.items() if KINDS[_known(name)] is Fraction}
    return replace(options or SyncOptions(), **(dict(choices) | times))


def option_from_text(name: str, text: str) -> Any:
    """The value of a `SyncOptions` field from the text of a manifest cell.

    Raises:
        OptionError: there is no such option, or the text is no value for it.
    """
    name = _known(name.strip().lower().replace("-", "_"))
    return PARSERS[KINDS[name]](name, text)


def _exact(name: str, value: Any) -> Any:
    """A time as it was written: 0.1 is a tenth of a second, not the binary number next to it."""
    return parse_time(str(value), signed=name in SIGNED) if isinstance(value, str | float) else value


def _known(name: str) -> str:
    if name not in KINDS:
        raise OptionError(f"there is no option {name!r}.")
    return name


def _plain_number(text: str) -> bool:
    return text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit()


def _boolean(name: str, text: str) -> bool:
    words = {
        "yes": True,
        "true": True,
        "1": True,
        "on": True,
        "no": False,
        "false": False,
        "0": False,
        "off": False,
    }
    try:
        return words[text.strip().lower()]
    except KeyError as exc:
        raise OptionError(f"{name} takes yes or no, not {text!r}.") from exc


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        raise OptionError(f"{name} takes a whole number, not {text!r}.") from exc


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise OptionError(f"{name} takes a number, not {text!r}.") from exc


PARSERS: Mapping[type, Callable[[str, str], Any]] = {
    str: lambda _, text: text.strip(),
    int: _integer,
    float: _number,
    bool: _boolean,
    Fraction: lambda name, text: parse_time(text, signed=name in SIGNED),
}


def _one_of(name: str, value: str, allowed: "dict[str, Preset] | tuple[str, ...]") -> None:
    if value not in allowed:
        raise OptionError(f"--{name} takes {', '.join(allowed)}, not {value!r}.")


def _of_kind(name: str, value: object, kind: type) -> None:
    if value is None and name in OPTIONAL:
        return
    # True is an int to Python, and 2 is as good a time as Fraction(2).
    fits = isinstance(value, kind) or (kind in {Fraction, float} and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise OptionError(f"--{name.replace('_', '-')} takes a value of type {kind.__name__}, not {value!r}.")


def _between(name: str, value: int | None, low: int, high: float = math.inf) -> None:
    if value is not None and not low <= value <= high:
        raise OptionError(f"--{name} takes a whole number from {low} to {high}, not {value}.")
