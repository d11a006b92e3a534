"""The options of the command line that are fields of `SyncOptions`, written once for all commands."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, TypeVar

import typer

from lipdub.options import CODECS, PRESETS, SyncOptions, choose

Command = TypeVar("Command", bound=Callable[..., None])

PRESETS_IN_WORDS = "; ".join(f"{name}: {p.steps} steps, {p.purpose}" for name, p in PRESETS.items())

# Field: what the command line takes, and the help. Defaults are those of `SyncOptions`.
TEXTS: dict[str, tuple[Any, str]] = {
    "weights": (str, "A name (see fetch-weights --list) or a checkpoint's path."),
    "preset": (str, f"{PRESETS_IN_WORDS}."),
    "steps": (int | None, "Diffusion steps, instead of the preset's."),
    "sampler": (str, "How the diffusion is solved; there is one way, ddim."),
    "reference": (
        str,
        "What the person looks like: same (each frame itself), first, random, pose (a frame with the mouth "
        "at rest and the head held alike), or a picture.",
    ),
    "device": (str, "auto, cpu, cuda, cuda:N or mps."),
    "precision": (str, "auto, fp32, bf16 or fp16."),
    "batch_size": (int | None, "Faces the network works on at once."),
    "seed": (int, "Another number gives slightly different mouths, and other random references."),
    "start": (str | None, "Change nothing before this time (12.5 or 1:00:12.5)."),
    "end": (str | None, "Change nothing from this time on."),
    "overwrite": (bool, "Replace the output if it exists."),
    "keep_original_audio": (bool, "Keep the old sound as a second track."),
    "plan": (str | None, "Carry out this plan (see lipdub plan)."),
    "language": (str | None, "Language of the dub, three letters, for example fra."),
    "length": (
        str,
        "How long the output is: video, sound (the picture goes on, or ends early) or shortest.",
    ),
    "audio_offset": (str, "Let dub and lips begin this many seconds later (0.12) or earlier (-0.12)."),
    "speech": (
        str | None,
        "The dialogue alone: it drives the lips, while --audio, the full mix, is what is heard.",
    ),
    "background": (str | None, "Music and effects, mixed under --audio, which then is the dialogue alone."),
    "codec": (str, f"Of the new picture: {', '.join(CODECS)}; auto is the source's."),
    "quality": (int, "Of the new picture: 0 (small) to 100 (best), the same scale for all codecs."),
    "hwaccel": (str, "Encode on the graphics card: none, auto or nvenc."),
    "fresh": (bool, "Start over instead of going on where an earlier run was stopped."),
    "work_dir": (str | None, "Folder, which must be there, for unfinished work, instead of the output's."),
    "restorer": (
        str | None,
        "A face restorer for the painted faces: a name (see fetch-weights --list) or an ONNX model's path.",
    ),
    "restorer_strength": (float, "How much of the restorer is used: 0 to 1."),
    "keep_work": (bool, "Do not remove the folder of unfinished work when the output is done."),
    "debug_video": (
        str | None,
        "Also write a movie that shows who is changed, and why others are not.",
    ),
    "faces": (
        str,
        "Who says the dub: auto (whoever speaks), largest, all, numbers (1,3; see plan), or a picture.",
    ),
    "cues": (str | None, "Who says what, when: CSV (start, end, face, speech), SRT or RTTM."),
    "keep_unspoken": (bool, "Leave lips alone where only the old voice speaks, instead of closing them."),
}
EVERY = tuple(TEXTS)
NETWORK = (
    "weights", "preset", "steps", "sampler", "reference", "device", "precision", "seed", "overwrite", "plan",
    "faces", "cues", "keep_unspoken",
    "restorer", "restorer_strength",
)  # fmt: skip
PLANNING = (
    "reference", "seed", "start", "end", "overwrite", "speech", "audio_offset", "faces", "cues",
    "keep_unspoken", "debug_video", "fresh",
)  # fmt: skip
OF_ONE_ROW = {"start", "end", "plan", "speech", "background", "cues", "fresh", "debug_video"}
FOR_ALL_ROWS = tuple(name for name in TEXTS if name not in OF_ONE_ROW)


def with_choices(*names: str) -> Callable[[Command], Command]:
    """Give a command, which takes them as ``**choices``, the options of these names."""

    def extend(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        added = [_parameter(name) for name in names]
        # The command's own options come first, as they do in its signature.
        vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
        command.__annotations__.pop("choices")
        command.__annotations__ |= {p.name: p.annotation for p in added}
        return command

    return extend


def options_from(choices: dict[str, Any], **more: Any) -> SyncOptions:
    """The options that a command line says.

    Raises:
        OptionError: a value is impossible.
    """
    given = {name: value for name, value in choices.items() if value is not None}
    return choose(None, given | more)


def _parameter(name: str) -> inspect.Parameter:
    kind, text = TEXTS[name]
    defaults = {f.name: f.default for f in fields(SyncOptions)} | {"audio_offset": "0"}
    flag = (f"--{name.replace('_', '-')}",) if kind is bool else ()
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=defaults[name],
        annotation=Annotated[kind, typer.Option(*flag, help=text)],
    )
