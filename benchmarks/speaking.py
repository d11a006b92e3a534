"""Who speaks: the active-speaker network, the lips alone and the largest face, against a list made by watching.

The list was made from contact sheets of the mouths (12 frames a second), the envelope of the sound and, in one
clip, its subtitles; with the network's scores in view. Moments at which even a patient viewer cannot tell are in
neither column, and not counted.
"""

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common import FOOTAGE, put, table
from lipdub.choosing import largest_in_each_shot
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.lips import lip_scores
from lipdub.faces.speaker import Pictures, Scorer
from lipdub.listening import speech_spans
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.plan import DUB
from lipdub.speaker import Original, find_speaker
from lipdub.speech.activity import loud_spans
from lipdub.turns import Seen, inside, seen, who_says

Stretches = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Person:
    """Somebody in a clip: where the middle of the face is, in pixels, and when the person surely does what."""

    x: tuple[float, float]
    speaks: Stretches
    silent: Stretches
    seconds: tuple[float, float] = (0, 1000)


# fmt: off
SEEN_BY_EYE = {
    "two_faces_interview": (
        Person((250, 550), ((0, 1.5), (3, 7.2), (7.4, 8.2), (10.4, 10.7), (15.6, 17.1)), ((8.4, 8.9), (9.6, 10.3), (10.8, 15.3))),
        Person((700, 1100), ((0, 1.5), (1.95, 3.5), (3.7, 4.95), (5.3, 8.35), (8.7, 9.5), (11.1, 15.2)), ((5.02, 5.22), (8.4, 8.64), (9.6, 9.9), (16.4, 17.4))),
    ),
    "three_faces_1080p": (
        Person((400, 700), ((4.6, 5.7), (9.2, 13.4)), ((0, 1.8), (2.4, 3.7), (6, 7.8))),
        Person((1100, 1800), ((0, 1.9), (2.4, 4), (5.8, 7.9)), ((12.4, 13.4),)),
    ),
    "small_faces_cuts_2997": (
        Person((480, 640), ((0.85, 1.6),), (), (0, 1.65)),
        Person((0, 120), (), ((0.85, 1.6),), (0, 1.65)),
        Person((100, 640), ((3.65, 7.2),), (), (3.6, 7.85)),
        Person((0, 640), (), ((7.9, 10),), (7.88, 11)),
    ),
}
HEARD_BY_EYE: dict[str, tuple[Stretches, Stretches]] = {
    # From waveform and spectrogram: surely speech, surely not. The French was made by a machine whose pauses are exact.
    "french_synthetic.wav": (((0.05, 0.8), (1.25, 1.75), (2.05, 4.35), (4.6, 6.4), (6.95, 8.5), (8.95, 10.05), (10.45, 10.8), (11.1, 11.55)), ((0.95, 1.15), (6.6, 6.8), (8.65, 8.85), (10.2, 10.35), (11.75, 11.98))),
    "english_man.wav": (((0.25, 0.6), (0.95, 2.2), (2.4, 3.5), (5.3, 8.2), (8.6, 9.7), (11.6, 13.2)), ((0.0, 0.12), (16.4, 16.9))),
    "english_woman.wav": (((0.55, 4.4), (4.85, 6.75), (7.3, 9.4)), ((0, 0.4), (4.58, 4.7), (6.98, 7.12))),
}
# fmt: on


class Timed:
    """The network, with the processor time it took."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.seconds, self.pictures = scorer, 0.0, 0

    def __call__(self, pictures: Pictures, start: float) -> npt.NDArray[np.float32]:
        began = time.process_time()
        scores = self.scorer(pictures, start)
        self.seconds += time.process_time() - began
        self.pictures += len(pictures)
        return scores


def counts(
    faces: list[Seen], analysis: Analysis, said: list[npt.NDArray[np.bool_]], people: tuple[Person, ...]
):
    """True and false positives and negatives over all frames of all faces that are on the list."""
    tp = fp = tn = fn = 0
    for face, track, speaks in zip(faces, analysis.tracks, said, strict=True):
        middle = track.boxes[:, 0] + track.boxes[:, 2] / 2
        for person in people:
            here = (middle > person.x[0]) & (middle < person.x[1])
            here &= (face.seconds >= person.seconds[0]) & (face.seconds < person.seconds[1])
            yes = here & inside(face.seconds, np.array(person.speaks).reshape(-1, 2))
            no = here & inside(face.seconds, np.array(person.silent).reshape(-1, 2))
            tp, fn = tp + int((yes & speaks).sum()), fn + int((yes & ~speaks).sum())
            fp, tn = fp + int((no & speaks).sum()), tn + int((no & ~speaks).sum())
    return tp, fp, tn, fn


def figures(tp: int, fp: int, tn: int, fn: int) -> list[str]:
    share = lambda a, b: f"{a / b:.3f}" if b else "–"  # noqa: E731
    return [share(tp + tn, tp + fp + tn + fn), share(tp, tp + fp), share(tp, tp + fn)]


def lips_only(faces: list[Seen], analysis: Analysis, original) -> list[Seen]:
    return [
        replace(face, score=lip_scores(t.faces["aperture"], face.seconds, inside(face.seconds, original)))
        for face, t in zip(faces, analysis.tracks, strict=True)
    ]


def watch(name: str, folder: Path, landmarker) -> tuple[list[list[object]], list[object]]:
    info: VideoInfo = probe_video(FOOTAGE / "scenes" / f"{name}.mp4")
    sound = Original(info, folder / "sound.pcm")
    (scorer, notes), pcm = find_speaker(sound), sound.pcm
    assert scorer and pcm is not None, notes
    timed, began = Timed(scorer), time.process_time()
    analysis = analyse(info, landmarker, scorer=timed)
    spent = time.process_time() - began
    original = speech_spans(pcm)[0] / 16000
    faces = seen(analysis.tracks, info, original)
    largest = {id(track) for track in largest_in_each_shot(analysis.tracks)}
    ways = {
        "network": [words == DUB for words in who_says(faces, original)],
        "lips alone": [words == DUB for words in who_says(lips_only(faces, analysis, original), original)],
        "largest face": [np.full(len(t.pts), id(t) in largest) for t in analysis.tracks],
    }
    rows: list[list[object]] = []
    for way, said in ways.items():
        found = counts(faces, analysis, said, SEEN_BY_EYE[name])
        rows.append([name, way, sum(found), *figures(*found)])
    cost = [
        name,
        timed.pictures,
        f"{1000 * timed.seconds / max(timed.pictures, 1):.1f}",
        f"{timed.seconds / spent:.0%}",
    ]
    return rows, cost


def hear(name: str, folder: Path) -> list[list[object]]:
    pcm = decode_for_network(probe_audio(FOOTAGE / "speech" / name), folder / "speech.pcm")
    speech, none = (np.array(stretches) for stretches in HEARD_BY_EYE[name])
    times = (np.arange(len(pcm) // 160) + 0.5) / 100
    rows: list[list[object]] = []
    for way, spans in (("network", speech_spans(pcm)[0]), ("loudness", loud_spans(pcm))):
        found = inside(times, spans / 16000)
        yes, no = inside(times, speech), inside(times, none)
        counted = (
            int((yes & found).sum()),
            int((no & found).sum()),
            int((no & ~found).sum()),
            int((yes & ~found).sum()),
        )
        rows.append([name, way, sum(counted), *figures(*counted)])
    return rows


def main() -> None:
    spoken, costs, heard = [], [], []
    with tempfile.TemporaryDirectory() as folder, load_landmarker() as landmarker:
        for name in SEEN_BY_EYE:
            rows, cost = watch(name, Path(folder), landmarker)
            spoken += rows
            costs.append(cost)
        for name in HEARD_BY_EYE:
            heard += hear(name, Path(folder))
    head = ["frames", "accuracy", "precision", "recall"]
    put(
        "speaking",
        "## Who speaks\n\nFrames of faces against a list made by watching (in the script). *Network*: LR-ASD in looks of "
        "one and two seconds, then turns; *lips alone*: the fallback without weights, then turns; *largest face*: it "
        "speaks all the time. Frames in which a face was not found are not in it. Two thresholds of the turns "
        "(`BEGINS`, `SURE`) and one of the lips (`SPEAKING`) were chosen on these same clips, so new ones will be "
        "judged less well. The lists were written with the network's scores in view, so they lean towards it.\n\n"
        + table(["clip", "told by", *head], spoken)
        + "\n\nIts cost, on one core, as a share of the processor time of the whole analysis:\n\n"
        + table(["clip", "pictures scored", "ms each", "share"], costs)
        + "\n\nSpeech activity, in steps of 10 ms, against stretches that surely are and surely are not speech (clear of "
        "the edges of words, so this is an easy list):\n\n"
        + table(["sound", "told by", "steps", *head[1:]], heard),
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
