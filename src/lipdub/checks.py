"""Everything that can be wrong with a job, found before any work is done."""

from fractions import Fraction
from pathlib import Path

from lipdub.contactsheet import is_sheet
from lipdub.cues import read_cues
from lipdub.errors import CueError, InputError, MediaError, OptionError, OutputError, PlanError
from lipdub.media.containers import FORMATS
from lipdub.media.encoders import plain_name
from lipdub.media.encoding import Encoding, choose_encoding
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.sound import MOST_CHANNELS, choose_sound
from lipdub.media.soundtrack import Soundtrack
from lipdub.options import FACES, REFERENCES, SyncOptions, face_numbers
from lipdub.outputs import check_output, content_key
from lipdub.plan import Plan
from lipdub.planfile import load_plan
from lipdub.stems import probe_stems
from lipdub.weights import load_catalogue

DEBUG_FORMATS = (".mp4", ".mov", ".mkv")
SAID_BY_A_PLAN = ("start", "end", "reference", "faces", "cues", "keep_unspoken")
LONGEST_LEAD = 60
"""Seconds for which a still picture may be shown before its dub begins."""


def check_job(
    video: Path, audio: Path, output: Path, options: SyncOptions, plan: Plan | None = None
) -> tuple[VideoInfo, Soundtrack, Plan | None]:
    """Look at everything that can be wrong with a job before any work is done.

    Returns:
        What the movie is, what the sounds are, and the plan that was given, if one was.

    Raises:
        InputError: something is wrong; the sentence says what.
    """
    check_container(output)
    movie, track = probe_video(video), soundtrack(audio, options)
    _check_channels(track, output.suffix)
    check_output(output, (video, audio, *files_of(options)), options.overwrite)
    if options.start is not None and movie.until is not None and options.start >= movie.until:
        raise OptionError(f"--start lies after the end of {video} ({float(movie.until):.2f} s).")
    until = LONGEST_LEAD if movie.still else movie.until
    if until is not None and options.audio_offset >= until:
        raise OptionError(f"--audio-offset moves the whole dub after the end of {video}.")
    check_reference(options)
    check_debug_video(options, (video, audio, output, *files_of(options)))
    check_faces(options)
    check_cues(movie, options)
    _check_restorer(options)
    encoding_for(movie, output, options)
    return movie, track, checked_plan(movie, options, plan)


def check_container(output: Path) -> None:
    """Make sure that an output's name ends in one of the containers there are.

    Raises:
        InputError: it does not.
    """
    if output.suffix.lower() not in FORMATS:
        raise InputError(f"{output}: the name must end in one of {', '.join(FORMATS)}.")


def soundtrack(audio: Path, options: SyncOptions) -> Soundtrack:
    """The dub, and the other sounds that options name.

    Raises:
        MediaError: one of them is not there, or no sound.
    """
    speech, background = (
        None if name is None else probe_audio(name) for name in (options.speech, options.background)
    )
    return Soundtrack(probe_audio(audio), speech, background, Fraction(options.audio_offset))


def _check_channels(track: Soundtrack, suffix: str) -> None:
    """Refuse sound that would have to be encoded and has more channels than encoders take."""
    heard = track.heard
    codec = choose_sound(heard, suffix, same_length=False).codec
    if heard.channels > MOST_CHANNELS and codec != "copy" and not codec.startswith("pcm_"):
        raise InputError(
            f"{heard.path} has {heard.channels} channels, and {plain_name(codec)} in {suffix} takes"
            f" {MOST_CHANNELS} at most; mix it down, or make a .mov."
        )


def encoding_for(movie: VideoInfo, output: Path, options: SyncOptions) -> Encoding:
    """How the new picture will be encoded.

    Raises:
        OptionError: the codec or the hardware that was asked for will not do.
    """
    return choose_encoding(
        movie, output.suffix, codec=options.codec, quality=options.quality, hwaccel=options.hwaccel
    )


def check_reference(options: SyncOptions) -> None:
    """Make sure that a reference picture is there.

    Raises:
        OptionError: it is not.
    """
    if options.shown_reference not in REFERENCES and not Path(options.shown_reference).is_file():
        known, given = ", ".join(REFERENCES), options.shown_reference
        raise OptionError(f"--reference takes {known} or a picture; there is no file {given}.")


def check_debug_video(options: SyncOptions, others: tuple[Path, ...]) -> None:
    """Make sure that the debug video, if one is wanted, can be written.

    Raises:
        OutputError: it cannot, or it has the name of one of the `others`.
    """
    if options.debug_video is None:
        return
    path = Path(options.debug_video)
    if path.suffix.lower() not in DEBUG_FORMATS:
        known = ", ".join(DEBUG_FORMATS)
        raise OutputError(f"{path}: the name of a debug video must end in one of {known}.")
    if path.absolute() in {other.absolute() for other in others}:
        raise OutputError(f"{path} has another use in this job; choose another name for the debug video.")
    check_output(path, others, options.overwrite)


def check_faces(options: SyncOptions) -> None:
    """Make sure that a picture of whom to dub is there.

    Raises:
        OptionError: it is not.
    """
    if pictured(options) and is_sheet(Path(options.faces)):
        raise OptionError(f"{options.faces} is a sheet of faces; give --faces the number of one of them.")
    if pictured(options) and not Path(options.faces).is_file():
        known = ", ".join(FACES)
        raise OptionError(
            f"--faces takes {known}, numbers such as 1,3, or a picture; there is no file {options.faces}."
        )


def _check_restorer(options: SyncOptions) -> None:
    name = options.restorer
    if name is not None and name not in load_catalogue() and not Path(name).is_file():
        raise OptionError(f"--restorer takes the path of an ONNX model; there is no file {name}.")


def check_cues(movie: VideoInfo, options: SyncOptions) -> None:
    """Look at a cue sheet and the speech files that it names.

    Raises:
        CueError: something is wrong with its lines, or a file is no sound.
    """
    if options.cues is None:
        return
    if movie.still:
        raise OptionError("--cues tells when who speaks in a movie; leave it out for a picture.")
    sheet = read_cues(Path(options.cues), movie.rate)
    lines = {cue.stem.path: cue.line for cue in reversed(sheet.cues) if cue.stem is not None}
    for path, line in lines.items():
        try:
            probe_audio(Path(path))
        except MediaError as exc:
            raise CueError(f"{sheet.path}, line {line}: {exc}") from exc


def pictured(options: SyncOptions) -> bool:
    """Whether whom to dub is said by a picture."""
    return options.faces not in FACES and face_numbers(options.faces) is None


def files_of(options: SyncOptions) -> tuple[Path, ...]:
    """Files that options name, beside movie and dub."""
    reference = options.shown_reference if options.shown_reference not in REFERENCES else None
    face = options.faces if pictured(options) else None
    named = (
        reference, face, options.plan, options.speech, options.background, options.cues, options.restorer,
    )  # fmt: skip
    return tuple(Path(name) for name in named if name is not None)


def checked_plan(movie: VideoInfo, options: SyncOptions, plan: Plan | None = None) -> Plan | None:
    """The plan that was given, or that options name, if one was.

    Raises:
        PlanError: it is damaged, of another movie, or needs a picture that is not there.
        OptionError: options beside it say what it says itself.
    """
    if plan is None and options.plan is not None:
        plan = load_plan(Path(options.plan))
    if plan is None:
        return None
    if any(getattr(options, name) != getattr(SyncOptions(), name) for name in SAID_BY_A_PLAN):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in SAID_BY_A_PLAN)
        raise OptionError(f"a plan says what changes: leave out {names} beside it.")
    plan.check(movie, content_key(movie.path))
    for reference in plan.references:
        if reference.picture is not None and not Path(reference.picture).is_file():
            raise PlanError(f"the plan's reference picture {reference.picture} is not there; check its path.")
    probe_stems(plan.stems)
    return plan
