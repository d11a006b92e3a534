"""Cases of the fuzz run: damaged files and what is done with them, each from one whole number or one name.

    case = make_case(1234, specimens, folder)              damage by chance
    case = make_case("movie larger_later.ts", …)           one of `tests.support.bombs`
    case = make_case("sound rate_1.wav", …)
    case = make_case("clean h264.mp4", …)                  nothing is wrong with it

The order of what chance chooses from is part of the numbers: add at the end.
"""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.support.bombs import MOVIE_BOMBS, SOUND_BOMBS
from tests.support.damage import HUGE, damaged
from tests.support.specimens import MOVIES, SOUNDS, STILLS, specimen

KINDS = {"movie": 48, "sound": 20, "both": 8, "plan": 6, "reference": 6, "movie bomb": 7, "sound bomb": 5}
"""What is damaged, and how often of a hundred."""
ROADS = {"sync": 84, "preview": 8, "plan": 8}
OUTPUTS = {".mp4": 50, ".mkv": 18, ".mov": 12, ".ts": 8, ".avi": 8, ".webm": 4}
TICKS = {".mkv": 1000, ".webm": 1000, ".ts": 90_000, ".avi": 25, ".gif": 100, ".apng": 25, ".webp": 1000}
"""Of a second, in undamaged movies; 12,800 elsewhere."""


@dataclass(frozen=True)
class Case:
    """One thing to do with damaged files.

    Attributes:
        name: number or name it was made from.
        what: what was done, for people.
        road: ``sync``, ``preview``, ``plan`` (with the real landmarker) or ``resume``.
        movie, sound, output: in `folder`.
        options: of the job.
        plan: a plan file, instead of one that is made to fit the movie.
        reference: a picture that the plan refers to.
    """

    name: str
    what: str
    road: str
    folder: Path
    movie: Path
    sound: Path
    output: Path
    options: dict[str, Any] = field(default_factory=dict)
    plan: Path | None = None
    reference: Path | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.movie, self.sound, self.plan, self.reference) if path)


def prepare(specimens: Path, names: Iterable[int | str]) -> None:
    """Make every file that these cases are made from."""
    for name in names:
        make_case(name, specimens, folder := specimens / "case")
        shutil.rmtree(folder)


def make_case(name: int | str, specimens: Path, folder: Path) -> Case:
    """Write the files of a case into its own folder."""
    folder.mkdir(parents=True)
    if isinstance(name, int) or name.isdecimal():
        return _by_chance(int(name), specimens, folder)
    kind, file = name.split()
    movie = specimen("h264.mp4", specimens)
    sound = specimen("mono.wav", specimens)
    output = folder / "out.mp4"
    if kind == "clean":
        movie, sound = (
            (movie, specimen(file, specimens)) if file in SOUNDS else (specimen(file, specimens), sound)
        )
    elif kind == "movie":
        movie = _bomb(file, specimens)
    elif kind == "sound":
        sound = _bomb(file, specimens)
    else:
        raise ValueError(name)
    return Case(name, name, "sync", folder, _copied(movie, folder), _copied(sound, folder), output)


def _bomb(name: str, specimens: Path) -> Path:
    path = specimens / "bombs" / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        rough = path.with_name(f"rough_{name}")
        (MOVIE_BOMBS | SOUND_BOMBS)[name](specimens, rough)
        rough.rename(path)
    return path


def _copied(source: Path, folder: Path) -> Path:
    return Path(shutil.copy(source, folder / source.name))


def _pick(weights: dict[str, int], random: Random) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _by_chance(number: int, specimens: Path, folder: Path) -> Case:
    random = Random(number)
    kind, road, suffix = _pick(KINDS, random), _pick(ROADS, random), _pick(OUTPUTS, random)
    movie = specimen(
        random.choice([name for name in MOVIES if kind != "plan" or name not in STILLS]), specimens
    )
    sound = specimen(random.choice(list(SOUNDS)), specimens)
    done = [kind]
    if kind == "movie bomb":
        movie = _bomb(random.choice(list(MOVIE_BOMBS)), specimens)
    if kind == "sound bomb":
        sound = _bomb(random.choice(list(SOUND_BOMBS)), specimens)
    paths = {"movie": _copied(movie, folder), "sound": _copied(sound, folder)}
    for part in ("movie", "sound"):
        if kind in {part, "both"}:
            other = (MOVIES if part == "movie" else SOUNDS).keys()
            done.append(_damage(paths[part], specimen(random.choice(list(other)), specimens), random))
    options = _options(random)
    plan = reference = None
    if kind == "plan":
        road, plan = "sync", folder / "plan.json"
        done.append(_damaged_plan(plan, movie, random))
        options = {}
    if kind == "reference":
        reference = _copied(specimen(random.choice(sorted(STILLS)), specimens), folder)
        if random.random() < 0.3:
            reference.unlink()
            reference = _copied(
                _bomb(
                    random.choice(["zeros.png", "canvas.gif", "rows.bmp", "strip.tiff", "sps_8192.h264"]),
                    specimens,
                ),
                folder,
            )
        else:
            done.append(_damage(reference, b"", random))
        road = random.choice(("sync", "sync", "plan", "preview"))
        options = {}
    if road == "plan" and reference:
        options = {"reference": str(reference)}
    output = folder / ("out.png" if road == "preview" else "out.json" if road == "plan" else f"out{suffix}")
    what = f"{road} {movie.name} + {sound.name} → {output.name}: {', '.join(done)} {options or ''}".strip()
    return Case(
        str(number), what, road, folder, paths["movie"], paths["sound"], output, options, plan, reference
    )


def _damage(path: Path, other: Path | bytes, random: Random) -> str:
    other = other if isinstance(other, bytes) else other.read_bytes()
    data, what = damaged(path.read_bytes(), path.suffix, random, other)
    path.write_bytes(data)
    return what


def _options(random: Random) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if random.random() < 0.1:
        chosen["keep_original_audio"] = True
    if random.random() < 0.2:
        chosen["length"] = random.choice(("sound", "shortest"))
    if random.random() < 0.1:
        chosen["audio_offset"] = random.choice(("0.1", "-0.1", "3600"))
    return chosen


def _damaged_plan(path: Path, movie: Path, random: Random) -> str:
    """A plan for a movie of 160×96 with something wrong in it."""
    scale = TICKS.get(movie.suffix, 12_800)
    head = {"lipdub_plan": 1, "movie": movie.name, "key": "", "size": [160, 96], "time_base": f"1/{scale}",
            "origin": "0", "notes": [], "references": [{"box": [30, 10, 49, 62], "pts": 0, "picture": None}],
            "columns": ["pts", "face", "x", "y", "width", "height", "reference", "opacity"],
            "edits": [[n * scale // 25, 0, 30, 10, 49, 62, n % 2 - 1, 1.0] for n in range(10)]}  # fmt: skip
    text = json.dumps(head, indent=1)
    if random.random() < 0.3:
        data, what = damaged(text.encode(), "", random)
        path.write_bytes(data)
        return what
    numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
    for _ in range(random.choice((1, 1, 3))):
        match = random.choice(numbers)
        new = random.choice(_PLAN_VALUES)
        text = text[: match.start()] + new.ljust(len(match[0])) + text[match.end() :]
        numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
    path.write_text(text, encoding="utf-8")
    return "a value of the plan"


_PLAN_VALUES = (
    *map(str, HUGE), "-1", "1e308", "-1e308", "1e999", "NaN", "Infinity", "null", "true", '"x"', "[]", "{}",
    "[" * 5000, "9" * 5000, "0.5", "1e-300", str(2**62), str(-(2**62)), str(2**63), '"\\ud800"',
    '"../../x"', "1e6", "999999.9",
)  # fmt: skip
