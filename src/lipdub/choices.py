"""The options of the command line that are fields of `SyncOptions`, written once for all commands."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from lipdub.options import CODECS, DEFAULT_WEIGHTS, PRESETS, SyncOptions, choose

Command = TypeVar("Command", bound=Callable[..., None])

PRESETS_IN_WORDS = "; ".join(
    f"{name}: {p.steps} steps, {p.purpose}"
    + ("" if p.weights == DEFAULT_WEIGHTS else f", with the weights {p.weights}")
    for name, p in PRESETS.items()
)

# Field: what the command line takes, and the help. Defaults are those of `SyncOptions`.
TEXTS: dict[str, tuple[Any, str]] = {
    "faces": (
        str,
        "Whose lips say the dub: auto (whoever speaks), largest (in each shot), all, numbers (1,3; "
        "see plan --sheet), or a picture of the person.",
    ),
    "cues": (
        str | None,
        "A list of who says what, when, to go by instead: CSV (start, end, face, speech), SRT or RTTM.",
    ),
    "keep_unspoken": (
        bool,
        "Where a person speaks in the movie and the dub is silent, leave the lips alone instead of closing "
        "them.",
    ),
    "reference": (
        str | None,
        "What the network is shown of the person: same (each frame itself; the default), first, random, pose "
        "(the default of the draft weights: a frame, of any shot, with the mouth at rest and the head held "
        "alike; changed only between sentences), or a picture.",
    ),
    "weights": (
        str | None,
        "A name (see fetch-weights --list; draft comes with lipdub) or a checkpoint's path, instead of the "
        "preset's.",
    ),
    "draft_if_offline": (
        bool,
        "Where --weights is not given and the published ones cannot be had, go on with the draft weights, "
        "and say so.",
    ),
    "preset": (str | None, f"{PRESETS_IN_WORDS}. Without it: draft for the draft weights, else standard."),
    "steps": (int | None, "Diffusion steps, instead of the preset's."),
    "sampler": (str, "How the diffusion is solved; there is one way, ddim."),
    "restorer": (
        str | None,
        "A face restorer to run on each painted face: path of an ONNX model, or its name in weights.toml; "
        "needs onnxruntime.",
    ),
    "restorer_strength": (float, "How much of the restorer is used: 0 to 1."),
    "seed": (int, "Another number gives slightly different mouths, and other random references."),
    "device": (str, "auto, cpu, cuda, cuda:N or mps."),
    "precision": (str, "auto, fp32, bf16 or fp16."),
    "batch_size": (int | None, "Faces the network works on at once."),
    "start": (str | None, "Change nothing before this time (12.5 or 1:00:12.5)."),
    "end": (str | None, "Change nothing from this time on."),
    "plan": (str | None, "Carry out this plan (see lipdub plan) instead of making one."),
    "speech": (
        str | None,
        "The dialogue alone: it drives the lips, while --audio, the full mix, is what is heard.",
    ),
    "background": (str | None, "Music and effects, mixed under --audio, which then is the dialogue alone."),
    "audio_offset": (str, "Let dub and lips begin this many seconds later (0.12) or earlier (-0.12)."),
    "length": (
        str,
        "How long the output is: video, sound (the picture goes on, or ends early) or shortest.",
    ),
    "language": (str | None, "Language of the dub, three letters, for example fra."),
    "keep_original_audio": (bool, "Keep the old sound as a second track."),
    "codec": (str, f"Of the new picture: {', '.join(CODECS)}; auto is the source's."),
    "quality": (int, "Of the new picture: 0 (small) to 100 (best), the same scale for all codecs."),
    "hwaccel": (str, "Encode on the graphics card: none, auto or nvenc."),
    "debug_video": (
        str | None,
        "Also write a movie (MP4, MOV or MKV) that shows who is changed, and why others are not.",
    ),
    "overwrite": (bool, "Replace the output if it exists."),
    "fresh": (bool, "Start over instead of going on where an earlier run was stopped."),
    "work_dir": (
        str | None,
        "A folder, which must exist, for unfinished work; else it lies beside the output.",
    ),
    "keep_work": (bool, "Do not remove the folder of unfinished work when the output is done."),
}
# Headings of the help, and what stands under each.
PANELS: dict[str, tuple[str, ...]] = {
    "Whose lips": ("faces", "cues", "keep_unspoken", "start", "end", "plan"),
    "The network": (
        "weights", "draft_if_offline", "preset", "steps", "sampler", "reference", "restorer",
        "restorer_strength", "seed", "device", "precision", "batch_size",
    ),
    "Sound": ("speech", "background", "audio_offset", "length", "language", "keep_original_audio"),
    "Picture": ("codec", "quality", "hwaccel", "debug_video"),
    "Files": ("overwrite", "fresh", "work_dir", "keep_work"),
}  # fmt: skip
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}
EVERY = tuple(PANEL_OF)
NETWORK = (
    "faces", "cues", "keep_unspoken", "reference", "weights", "draft_if_offline", "preset", "steps",
    "sampler", "restorer", "restorer_strength", "seed", "device", "precision", "plan", "speech",
    "audio_offset", "overwrite",
)  # fmt: skip
PLANNING = (
    "faces", "cues", "keep_unspoken", "preset", "reference", "seed", "start", "end", "speech", "audio_offset",
    "debug_video", "overwrite", "fresh",
)  # fmt: skip
EVALUATION = (
    "weights", "reference", "preset", "steps", "sampler", "seed", "device", "precision", "batch_size",
)  # fmt: skip
OF_ONE_ROW = {"start", "end", "plan", "speech", "background", "cues", "fresh", "debug_video"}
FOR_ALL_ROWS = tuple(name for name in EVERY if name not in OF_ONE_ROW)


def with_choices(
    *names: str,
    texts: dict[str, tuple[Any, str]] = TEXTS,
    options: type[Any] = SyncOptions,
    defaults: Any = None,
) -> Callable[[Command], Command]:
    """Give a command, which takes them as ``**choices``, the options of these names.

    Args:
        names: of fields.
        texts: what the command line takes for each, and the help.
        options: the dataclass whose fields they are.
        defaults: one of them, whose values are the defaults instead of the class'.
    """
    values = {field.name: getattr(defaults, field.name, field.default) for field in fields(options)}
    panels = PANEL_OF if texts is TEXTS else {}

    def extend(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        added = [_parameter(name, texts[name], values[name], panels.get(name)) for name in names]
        # The command's own options come first, as they do in its signature.
        vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
        command.__annotations__.pop("choices")
        command.__annotations__ |= {p.name: p.annotation for p in added}
        return command

    return extend


def with_options(kind: Any, texts: Mapping[str, str]) -> Callable[[Command], Command]:
    """Likewise, with the types that the fields have.

    Args:
        kind: the dataclass.
        texts: help of the fields that are offered.
    """
    kinds = get_type_hints(kind)
    told = {
        field.name: (kinds[field.name], texts[field.name]) for field in fields(kind) if field.name in texts
    }
    return with_choices(*told, texts=told, options=kind)


def options_from(choices: dict[str, Any], **more: Any) -> SyncOptions:
    """The options that a command line says.

    Raises:
        OptionError: a value is impossible.
    """
    given = {name: value for name, value in choices.items() if value is not None}
    return choose(None, given | more)


def _parameter(name: str, told: tuple[Any, str], default: Any, panel: str | None) -> inspect.Parameter:
    kind, text = told
    flag = (f"--{name.replace('_', '-')}",) if kind is bool else ()
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=str(default) if isinstance(default, Fraction) else default,
        annotation=Annotated[kind, typer.Option(*flag, help=text, rich_help_panel=panel)],
    )
