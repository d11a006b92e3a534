"""Who is who, measured: how alike tracks of one person and of different people are, and whom scenes show.

Run from the repository: python benchmarks/people.py
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common import FOOTAGE, put, table
from lipdub import weights
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.crop import Landmarks
from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.identity import Embedding, SFace
from lipdub.faces.track import Track
from lipdub.media.probe import probe_video
from lipdub.people import SAME_PERSON, find_people
from lipdub.planning import usable_tracks

CLIPS = 6
"""Of each speaker of the word clips."""
SECONDS = Fraction(2)
"""Of each clip."""
THRESHOLDS = (0.25, 0.3, 0.363, 0.4, 0.45, 0.5, 0.55, 0.6)
"""0.363 is what SFace's authors advise for single pictures."""
SEEN = {
    "two_faces_interview.mp4": 2, "three_faces_1080p.mp4": 2, "small_faces_cuts_2997.mp4": 4,
    "six_cuts_dubbed_film.mp4": 2, "face_noface.mov": 1, "noface_face.mov": 1, "stage_small_face.mp4": 1,
    "carphone_176x144.mp4": 1, "speaker_2213fps.mp4": 1,
}  # fmt: skip
"""Clip: different people among the faces found, counted by eye on sheets with one thumbnail per track."""


class Timed:
    """SFace, with the time it takes."""

    def __init__(self) -> None:
        self._embed = SFace(weights.locate("sface"))
        self.calls, self.seconds = 0, 0.0

    def __call__(self, image: npt.NDArray[np.uint8], landmarks: Landmarks, /) -> Embedding:
        began = time.process_time()
        embedding = self._embed(image, landmarks)
        self.calls, self.seconds = self.calls + 1, self.seconds + time.process_time() - began
        return embedding


def clips() -> Iterator[tuple[str, Path]]:
    """Speakers, and clips of them; of the other footage, each file is taken for another speaker."""
    training = FOOTAGE / "training"
    for folder in sorted(p for p in (training / "words").iterdir() if p.is_dir()):
        yield from ((folder.name, path) for path in sorted(folder.glob("*.mp4"))[:CLIPS])
    yield from ((path.stem, path) for path in sorted((training / "others").glob("*.mp4")))


def longest_tracks(landmarker: FaceLandmarker) -> tuple[list[str], list[Track], dict[int, Embedding]]:
    """The longest track of each clip, one after the other on one clock: speakers, tracks, embeddings."""
    names: list[str] = []
    tracks: list[Track] = []
    who: dict[int, Embedding] = {}
    for name, path in clips():
        analysis = analyse(probe_video(path), landmarker, end=SECONDS, embedder=Timed())
        known = [track for track in analysis.tracks if track.id in analysis.who]
        if known:
            longest = max(known, key=lambda track: len(track.pts))
            number = len(tracks)
            pts = np.arange(len(longest.pts)) + number * 10_000
            tracks.append(replace(longest, id=number, shot=number, pts=pts))
            who[number] = analysis.who[longest.id]
            names.append(name)
    return names, tracks, who


def pairs(names: Sequence[str], who: Mapping[int, Embedding]) -> tuple[list[float], list[float]]:
    """Cosines of all pairs of tracks: of one speaker, and of different ones."""
    same: list[float] = []
    different: list[float] = []
    for a, b in combinations(range(len(names)), 2):
        (same if names[a] == names[b] else different).append(float(who[a] @ who[b]))
    return same, different


def grouping(
    names: Sequence[str], tracks: Sequence[Track], who: Mapping[int, Embedding], threshold: float
) -> tuple[int, float, float]:
    """People found, and the shares of pairs put together wrongly and kept apart wrongly."""
    numbers = find_people(tracks, who, Fraction(1, 25), Fraction(1, 25), threshold).numbers
    together = [
        (names[a] == names[b], numbers[a] == numbers[b]) for a, b in combinations(range(len(names)), 2)
    ]
    truth, found = np.array(together).T
    return len(set(numbers.values())), float(found[~truth].mean()), float((~found)[truth].mean())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def threshold_rows(
    names: Sequence[str], tracks: Sequence[Track], who: Mapping[int, Embedding]
) -> Iterator[Sequence[object]]:
    same, different = (np.array(values) for values in pairs(names, who))
    for threshold in THRESHOLDS:
        people, merged, split = grouping(names, tracks, who, threshold)
        mark = " (used)" if threshold == SAME_PERSON else ""
        alone = percent(float((same < threshold).mean())), percent(float((different >= threshold).mean()))
        yield f"{threshold}{mark}", *alone, people, percent(merged), percent(split)


def scene_rows(landmarker: FaceLandmarker) -> Iterator[Sequence[object]]:
    for name, seen in SEEN.items():
        info, embedder = probe_video(FOOTAGE / "scenes" / name), Timed()
        began = time.process_time()
        analysis: Analysis = analyse(info, landmarker, embedder=embedder)
        whole = time.process_time() - began
        tracks = usable_tracks(analysis, info)
        people = find_people(tracks, analysis.who, info.time_base, 1 / info.rate).persons
        each = 1000 * embedder.seconds / max(1, embedder.calls)
        frame = 1000 * embedder.seconds / len(analysis.pts)
        share = f"{100 * embedder.seconds / whole:.1f} %"
        yield name, len(tracks), len(people), seen, embedder.calls, f"{each:.1f}", f"{frame:.2f}", share


def main() -> None:
    with load_landmarker() as landmarker:
        names, tracks, who = longest_tracks(landmarker)
        head = ("cosine", "same, below", "different, above", "people", "pairs merged", "pairs split")
        rates = table(head, threshold_rows(names, tracks, who))
        head = ("clip", "tracks", "people", "by eye", "embedded", "ms each", "ms a frame", "share")
        scenes = table(head, scene_rows(landmarker))
    same, different = pairs(names, who)
    put(
        "people",
        f"""## Who is who

{len(tracks)} tracks of up to {SECONDS} s, of {len(set(names))} speakers (word clips, up to {CLIPS} each, and the other
footage, one each): {len(same)} pairs of one speaker, the least alike {min(same):.2f}, and {len(different)} of
different ones, the most alike {max(different):.2f}. The clips of one speaker are of one broadcast: another light
or age is harder. *Same, below* and *different, above* are single pairs of tracks on the wrong side; the last
three columns are of all tracks put together into people, which are {len(set(names))}.

{rates}

Scenes: believable tracks, people found, and different people among these tracks as counted by eye; faces
embedded, processor time of one (one thread), per frame, and its share of the whole analysis.

{scenes}""",
    )


if __name__ == "__main__":
    main()
