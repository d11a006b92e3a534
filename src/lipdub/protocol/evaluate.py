"""Evaluate a network on a list of pairs, beside the real video and what others made of the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from lipdub.dataset.lists import AUDIO_SUFFIXES, VIDEO_SUFFIXES, Pair, listed_file, read_pairs
from lipdub.engine import Engine, load_landmarker
from lipdub.errors import DatasetError, MediaError, OptionError, UnknownWeightsError
from lipdub.evaluation.kept import keep, kept
from lipdub.evaluation.measure import FEATURES_EVERY, PERSON_EVERY, PICTURES_EVERY, Measured
from lipdub.evaluation.summary import REAL, Clip
from lipdub.faces.detect import FaceLandmarker
from lipdub.identity import content_sha256
from lipdub.looking import picture_reference
from lipdub.options import REFERENCES
from lipdub.progress import Progress, Step, silent
from lipdub.protocol.generating import Shot
from lipdub.protocol.networks import Bench, load_bench
from lipdub.protocol.scenes import Scene, System
from lipdub.protocol.truths import Apertures, Truth, is_one_clip, pair_name, read_truths, truth_of
from lipdub.segments import digest

CLIPS = "clips"
"""Folder of what was measured of each clip."""
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth")
FORMAT = 1
"""Of what is kept: another number makes all clips be measured again."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to evaluate.

    Attributes:
        pairs: the list.
        output: folder of the results.
        root: folder from which the names of the list start, and which none may leave; None is the list's
            own, and absolute names may lie anywhere.
        shot: the mode, and the references of the network.
        rows: folders of videos that others made, by the names of their rows.
        truth: ``npz`` file of the true speakers' apertures.
        syncnet, expert: files of networks that judge sync.
    """

    pairs: Path
    output: Path
    root: Path | None = None
    shot: Shot = field(default_factory=Shot)
    rows: Mapping[str, Path] = field(default_factory=dict)
    truth: Path | None = None
    syncnet: Path | None = None
    expert: Path | None = None

    @property
    def folder(self) -> Path:
        """Where names of the list start."""
        return self.root or self.pairs.parent


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured.

    Attributes:
        clips: by systems, one for each pair that could be measured.
        failed: why others could not be.
        truths: of how many clips the true speaker is known.
        notes: what is not measured, a sentence each.
    """

    clips: tuple[Clip, ...]
    failed: tuple[str, ...]
    truths: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """What all pairs share; `failed` grows."""

    task: Task
    engine: Engine | None
    bench: Bench
    landmarker: FaceLandmarker
    truths: Apertures
    progress: Progress
    failed: list[str] = field(default_factory=list)


def evaluate(task: Task, engine: Engine | None, device: Any = "cpu", progress: Progress = silent) -> Result:
    """Measure all pairs; what was measured before, with the same files and networks, is not measured again.

    Args:
        task: what to evaluate.
        engine: the network; without it, only the rows that others made are measured.
        device: where the networks of the metrics compute.
        progress: told how far the work is.

    Raises:
        LipdubError: see `lipdub.errors`; of a pair that cannot be measured, only if none can.
    """
    pairs = check_task(task, engine.weights if engine else None)
    truths = read_truths(task.truth) if task.truth else {}
    clips = list[Clip]()
    with load_landmarker(progress) as landmarker:
        bench = load_bench(landmarker, task.syncnet, task.expert, device, progress)
        task = replace(task, shot=_pictured(task.shot, landmarker))
        work = _Work(task, engine, bench, landmarker, truths, progress)
        for number, pair in enumerate(pairs, 1):
            try:
                clips.append(_clip(pair, work))
            except (MediaError, DatasetError) as exc:
                work.failed.append(f"line {pair.line}: {exc}")
            progress(Step("pairs", number, len(pairs), "pairs"))
    if not clips:
        raise DatasetError(f"no pair of {task.pairs} could be measured; {work.failed[0]}")
    known = sum("truth" in clip[REAL].figures for clip in clips)
    return Result(tuple(clips), tuple(work.failed), known, bench.notes)


def row_of(weights: str) -> str:
    """The name of a network's row: that of its weights, without folder and suffix."""
    path = Path(weights)
    return path.stem if path.suffix in WEIGHTS_SUFFIXES else path.name


def check_task(task: Task, weights: str | None) -> list[Pair]:
    """Make sure, before anything is loaded, that there is something to evaluate; returns the pairs.

    Args:
        task: what to evaluate.
        weights: name or path of the network's; None without a network.

    Raises:
        InputError: an option names what is not there, or the list is bad.
        UnknownWeightsError: a network that judges sync is not there.
    """
    if weights is None and not task.rows:
        raise OptionError("there is nothing to evaluate; give --weights, or --rows NAME=FOLDER.")
    for name, folder in task.rows.items():
        if not folder.is_dir():
            raise OptionError(f"--rows {name}={folder}: there is no such folder.")
        if name == REAL or (weights is not None and name == row_of(weights)):
            raise OptionError(f"--rows {name}={folder}: there is a row of this name already; choose another.")
    for path in (task.syncnet, task.expert):
        if path is not None and not path.is_file():
            raise UnknownWeightsError(f"There is no weights file {path}.")
    if task.shot.reference not in REFERENCES and not Path(task.shot.reference).is_file():
        names = ", ".join(REFERENCES)
        raise OptionError(f"--reference takes {names} or a picture, not {task.shot.reference!r}.")
    return read_pairs(task.pairs, task.root)


def _pictured(shot: Shot, landmarker: FaceLandmarker) -> Shot:
    if shot.reference in REFERENCES:
        return shot
    return replace(shot, picture=picture_reference(Path(shot.reference), landmarker))


def _clip(pair: Pair, work: _Work) -> dict[str, Measured]:
    """All systems on one pair: as they were kept, or measured now."""
    folder, clip = work.task.output / CLIPS, pair_name(pair, work.task.folder)
    video, audio = _files(pair)
    truth = _truth(pair, video, audio, work)
    systems = _systems(clip, work)
    common = _common(video, audio, truth, work)
    keys = {name: digest(common | _own(system, work)) for name, system in systems.items()}
    found = {system: (kept(folder, key) or {}).get(system) for system, key in keys.items()}
    scene = None
    for system in [system for system, measured in found.items() if measured is None]:
        scene = scene or Scene.of(video, audio, truth, work.landmarker, work.progress)
        try:
            made = scene.measured(systems[system], work.task.shot, work.bench.judges, work.progress)
        except MediaError as exc:
            if not isinstance(systems[system], Path):
                raise
            work.failed.append(f"line {pair.line}, {system}: {exc}")
            continue
        keep(folder, keys[system], clip, {system: made})
        found[system] = made
    for row in sorted(work.task.rows.keys() - systems.keys()):
        work.failed.append(f"line {pair.line}, {row}: there is no {clip}.mp4 in {work.task.rows[row]}.")
    return {system: measured for system, measured in found.items() if measured is not None}


def _truth(pair: Pair, video: Path, audio: Path, work: _Work) -> Truth:
    """What is known of who speaks; in reconstruction, of a sound and a picture of one clip, the picture."""
    folder = work.task.folder
    if work.task.shot.mode == "reconstruction" and is_one_clip(pair, video, audio, folder):
        return video
    return truth_of(pair, folder, work.truths)


def _files(pair: Pair) -> tuple[Path, Path]:
    """The video and the sound of a pair."""
    video = listed_file(pair.video, VIDEO_SUFFIXES)
    audio = listed_file(pair.audio, AUDIO_SUFFIXES + VIDEO_SUFFIXES)
    if video is None or audio is None:
        name = pair.video if video is None else pair.audio
        raise DatasetError(f"there is no file {name}; give the folder of the list's names with --root.")
    return video, audio


def _systems(name: str, work: _Work) -> dict[str, System]:
    """What is measured of a pair: nothing changed, the network's work, and the videos of others."""
    others = {row: listed_file(folder / name, VIDEO_SUFFIXES) for row, folder in work.task.rows.items()}
    own: dict[str, System] = {row_of(work.engine.weights): work.engine} if work.engine else {}
    return {REAL: None, **own, **{row: path for row, path in others.items() if path is not None}}


def _common(video: Path, audio: Path, truth: Truth, work: _Work) -> dict[str, Any]:
    """All that decides the figures of all systems on a pair."""
    return {
        "format": (FORMAT, PICTURES_EVERY, PERSON_EVERY, FEATURES_EVERY),
        "video": content_sha256(video),
        "audio": content_sha256(audio),
        "judges": work.bench.files,
        "mode": work.task.shot.mode,
        "truth": _truth_key(truth, video),
    }


def _truth_key(truth: Truth, video: Path) -> Any:
    if isinstance(truth, Path):
        return content_sha256(truth), truth == video
    return None if truth is None else truth.tolist()


def _own(system: System, work: _Work) -> dict[str, Any]:
    """All that decides the figures of one system besides."""
    if isinstance(system, Path):
        return {"made": content_sha256(system)}
    if system is None:
        return {}
    shot = work.task.shot
    picture = None if shot.picture is None else content_sha256(Path(str(shot.picture.picture)))
    reference = shot.reference if picture is None else picture
    # A network of which nothing is known is the same as no other.
    weights = system.sha256 or uuid4().hex
    return {"weights": weights, "settings": dict(system.settings), "reference": (reference, shot.seed)}
