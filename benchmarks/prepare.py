"""What `lipdub prepare` costs, and how often its judgement of sync by lips alone is right.

Cost is CPU time of one process, by stage, so that other work on the machine does not count. Sync is measured on
shards that exist (folders as arguments; made with ``--sync keep`` or of footage that is in sync), whose sound is
shifted by known amounts. Memory is the peak of a process that prepares few files, and ten times as many.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt

from common import FOOTAGE, psnr, put, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from lipdub.dataset import making
from lipdub.dataset.cutting import SAMPLES
from lipdub.dataset.fitting import Tools
from lipdub.dataset.options import RATE, PrepareOptions
from lipdub.dataset.pictures import compressed
from lipdub.dataset.preparing import prepare
from lipdub.dataset.shardfile import ShardWriter
from lipdub.dataset.sources import find_sources
from lipdub.dataset.syncing import REACH, SHIFTS, LipJudge, lip_curve, loudness, verdict
from lipdub.dataset.workers import Here
from lipdub.engine import load_embedder, load_landmarker

TRAINING = FOOTAGE / "training"
SETS = {"grid": 16, "words": 40, "others": 27}
"""Videos of each set that the cost is measured on: every n-th."""
VOXCELEB = 145_000, 8.0
"""Videos (one utterance each, as the paper trained on) and their usual length, seconds."""
MOVES = (-12, -8, -5, -3, 3, 5, 8, 12)
MANY = 20
"""Clips of a speaker that tell a shift together."""
FEW = 6
TENFOLD = 10


def main() -> None:
    if sys.argv[1:2] == ["--memory"]:
        remember(sys.argv[2], int(sys.argv[3]))
        return
    parts = [cost(), quality(), memory()]
    if sys.argv[1:]:
        parts.append(sync([Path(folder) for folder in sys.argv[1:]]))
    put("prepare", "## Preparing training data\n\n" + "\n\n".join(parts))


def videos(name: str, count: int) -> list[Path]:
    found = sorted(p for p in (TRAINING / name).rglob("*") if p.suffix in {".mp4", ".mkv", ".avi"})
    return found[:: max(1, len(found) // count)][:count]


class Clock:
    """CPU seconds of this process inside of some functions."""

    def __init__(self) -> None:
        self.spent = {}

    def watch(self, name: str, function: Any) -> Any:
        def timed(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **options)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - began

        return timed


class Spent(NamedTuple):
    """What a set cost: CPU seconds in all, of looking and of sound; frames; bytes of the shard and of JPEG."""

    total: float
    look: float
    sound: float
    seen: int
    kept: int
    size: int
    jpg: int


def spent_on(name: str, count: int, tools: Tools, work: Path) -> Spent:
    clock, sizes = Clock(), list[int]()
    original = making.analyse, making.decode_for_network
    making.analyse = clock.watch("look", original[0])
    making.decode_for_network = clock.watch("sound", original[1])
    began = time.process_time()
    with ShardWriter(work / f"{name}.tar") as writer:

        def add(sample: making.Sample) -> None:
            writer.add(f"{writer.clips:06d}", sample.meta, sample.sound, sample.pictures, "jpg")
            sizes.append(sum(map(len, sample.pictures)))

        found = find_sources(videos(name, count))
        made = [making.make_clips(source, tools, PrepareOptions(), work, add) for source in found]
    total = time.process_time() - began
    making.analyse, making.decode_for_network = original
    seen, kept = sum(row.seen for row in made), sum(row.frames for row in made)
    return Spent(total, clock.spent["look"], clock.spent["sound"], seen, kept, writer.bytes, sum(sizes))


def cost() -> str:
    rows, rates = [], []
    with load_landmarker() as landmarker, tempfile.TemporaryDirectory() as work:
        tools = Tools(landmarker, load_embedder())
        for name, count in SETS.items():
            spent = spent_on(name, count, tools, Path(work))
            rest = spent.total - spent.look - spent.sound
            rate, size = spent.seen / spent.total, spent.size / spent.kept * RATE
            rates.append((rate, size))
            rows.append([
                name, f"{len(videos(name, count))} / {spent.seen}", f"{1e3 * spent.look / spent.seen:.1f}",
                f"{1e3 * spent.sound / spent.seen:.1f}", f"{1e3 * rest / spent.seen:.1f}", f"{rate:.0f}",
                f"{size / 1e3:.0f}", f"{spent.jpg / spent.size:.0%}",
            ])  # fmt: skip
    head = ["set", "videos / frames", "look, ms", "sound, ms", "sync, pictures, shard, ms",
            "frames a second per core", "kB a second of clip", "of it JPEG"]  # fmt: skip
    slowest, largest = min(rate for rate, _ in rates), max(size for _, size in rates)
    fastest, smallest = max(rate for rate, _ in rates), min(size for _, size in rates)
    count, seconds = VOXCELEB
    frames = count * seconds * RATE
    return (
        "CPU milliseconds per frame of the video, one process, OMP_NUM_THREADS=1:\n\n"
        f"{table(head, rows)}\n\n"
        f"VoxCeleb2, one utterance for each of {count:,} videos, about {seconds:.0f} s each at {RATE} frames a"
        f" second ({frames / 1e6:.0f} million frames): {frames / fastest / 3600:.0f} to"
        f" {frames / slowest / 3600:.0f} core-hours and {count * seconds * smallest / 1e9:.0f} to"
        f" {count * seconds * largest / 1e9:.0f} GB, at the rates of these sets."
    )


def members(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                yield member.name, file.read()


def quality() -> str:
    with tempfile.TemporaryDirectory() as folder:
        sources = [path for name in SETS for path in videos(name, 2)]
        prepare(sources, Path(folder), PrepareOptions(pictures="png"), Here())
        pictures = [data for name, data in members(Path(folder)) if name.endswith(".png")][::20]
    errors, jpg, png = [], 0, 0
    for data in pictures:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        file = compressed(picture, "jpg")
        errors.append(psnr(picture, cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR_RGB)))
        jpg, png = jpg + len(file), png + len(data)
    return (
        f"JPEG (quality 95, 4:4:4) of {len(pictures)} stored pictures: {np.median(errors):.1f} dB"
        f" (least {min(errors):.1f}), {jpg / len(pictures) / 1e3:.1f} kB each, {jpg / png:.0%} of PNG."
    )


def memory() -> str:
    peaks = []
    for count in (FEW, FEW * TENFOLD):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--memory", folder, str(count)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
            peaks.append(json.loads(done.stdout.splitlines()[-1]))
    return (
        f"Peak memory of a process that prepares {FEW} videos: {peaks[0] / 1024:.0f} MB; {FEW * TENFOLD}:"
        f" {peaks[1] / 1024:.0f} MB."
    )


def remember(folder: str, count: int) -> None:
    import resource

    prepare(videos("words", FEW * TENFOLD)[:count], Path(folder), PrepareOptions(), Here())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def clips_in(folder: Path) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.int16]]]:
    """What is said of each clip of some shards, and its sound."""
    meta = {}
    for name, data in members(folder):
        if name.endswith(".json"):
            meta = json.loads(data)
        elif name.endswith(".flac"):
            with av.open(io.BytesIO(data)) as container:
                sound = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
            yield meta, sound


def late(sound: npt.NDArray[np.int16], frames: int) -> npt.NDArray[np.int16]:
    """The sound, so many frames later, as long as before."""
    silence = np.zeros(abs(frames) * SAMPLES, np.int16)
    if frames >= 0:
        return np.concatenate([silence, sound])[: len(sound)]
    return np.concatenate([sound[len(silence) :], silence])


def judged(aperture: npt.NDArray[np.float64], sound: npt.NDArray[np.int16]) -> int | None:
    """The shift that is believed; None if none is."""
    level = loudness(sound, -REACH * SAMPLES, len(aperture) + 2 * REACH)
    found = verdict(lip_curve(aperture, level), len(aperture), LipJudge.belief)
    return found.shift if found and found.clear else None


def pooled(folder: Path) -> str:
    """At which shift lips and loudness agree most, over all clips of each speaker together."""
    total = {}
    for meta, sound in clips_in(folder):
        aperture = np.array(meta["aperture"], np.float64)
        level = loudness(sound, -REACH * SAMPLES, len(aperture) + 2 * REACH)
        # As the sound was before it was shifted.
        moved = np.roll(np.nan_to_num(lip_curve(aperture, level)), meta["shift"])
        total.setdefault(meta["speaker"], []).append(moved)
    counts = {}
    for curves in total.values():
        if len(curves) >= MANY:
            best = int(SHIFTS[np.mean(curves, axis=0).argmax()])
            counts[best] = counts.get(best, 0) + 1
    said = ", ".join(f"{count} at {best:+d}" for best, count in sorted(counts.items()))
    return f"{folder.name}: {said or 'no such speaker'}"


def sync(folders: list[Path]) -> str:
    rows, rng = [], np.random.default_rng(0)
    for folder in folders:
        # Null becomes NaN.
        clips = [(np.array(meta["aperture"], np.float64), sound) for meta, sound in clips_in(folder)]
        tried = {
            "as they are": [(judged(a, s), 0) for a, s in clips],
            "shifted by 3 to 12 frames": [
                (judged(a, late(s, by)), by) for a, s in clips for by in rng.choice(MOVES, 2).tolist()
            ],
            "foreign sound": [
                (judged(a, clips[i][1]), None)
                for (a, _), i in zip(clips, rng.permutation(len(clips)), strict=True)
            ],
        }
        for what, found in tried.items():
            believed = [(shift, truth) for shift, truth in found if shift is not None]
            right = sum(truth is not None and abs(shift - truth) <= 1 for shift, truth in believed)
            wrong = sum((truth is None and shift != 0) or (truth is not None and abs(shift - truth) > 1)
                        for shift, truth in believed)  # fmt: skip
            n = len(found)
            length = np.median([len(a) for a, _ in clips]) / RATE
            rows.append([folder.name, f"{len(clips)} × {length:.1f} s", what, f"{right / n:.1%}",
                         f"{wrong / n:.1%}", f"{1 - len(believed) / n:.1%}"])  # fmt: skip
    text = (
        "Sync by lips and loudness, without a network: the shift that is believed is right (within a frame),"
        " wrong, or none is believed and the clip stays as it is. Each clip is judged alone; the clips of one"
        " video are judged together. Of foreign sound, a shift by which it would be moved counts as wrong.\n\n"
    )
    found = table(["shards", "clips", "sound", "right", "wrong", "not believed"], rows)
    return (
        f"{text}{found}\n\nSpeakers of {MANY} clips and more, all clips of each judged together; the shift, in"
        f" frames, at which lips and loudness agree most: {'; '.join(map(pooled, folders))}."
    )


if __name__ == "__main__":
    main()
