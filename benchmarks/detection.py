"""Faces found in real clips and in a made 4K picture, and what finding them costs.

``python detection.py YUNET``: the path of YuNet's file, if it is not among the fetched weights.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from common import FOOTAGE, CopyReference, put, table
from lipdub import sync, weights
from lipdub.faces.detect import FaceDetector, FaceLandmarker, overlap
from lipdub.faces.finder import FaceFinder
from lipdub.faces.shots import CutDetector
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video

SCENES = FOOTAGE / "scenes"
# What the code found before YuNet and parts in turn (commit 8909239): frames with a face, faces, ms a frame, longest.
BEFORE = {
    "small_faces_cuts_2997.mp4": (216, 236, 47.6, 907),
    "stage_small_face.mp4": (393, 393, 18.4, 246),
    "three_faces_1080p.mp4": (335, 589, 34.8, 259),
    "six_cuts_dubbed_film.mp4": (537, 537, 19.8, 448),
}
HEIGHTS = (32, 40, 48, 64)
PLACES = ((200, 300), (1900, 150), (3500, 1100), (900, 1900), (2500, 1500), (1280, 760))
"""Upper left corners of the faces in the 4K picture; the last ones lie on seams of the parts."""
SOURCES = {"speaker_portrait_1080p.mp4": 5, "face_noface.mov": 5, "three_faces_1080p.mp4": 225, "speaker_2213fps.mp4": 5, "speaker_beard_1080p.mp4": 30}  # fmt: skip
DOUBTED = 0.35
"""Score below which YuNet, shown a closer look at a found face, doubts that it is one."""


def clip(name, landmarker, plain=False):
    """Frames, frames with a face, faces, ms a frame, the longest ms, and the finds YuNet doubts in every 5th frame."""
    info, find, is_cut = probe_video(SCENES / name), FaceFinder(landmarker), CutDetector()
    counts, spent, doubted, looked = [], [], 0, 0
    for number, frame in enumerate(read_frames(info)):
        image = upright_image(frame, info)
        cut = is_cut(image)
        began = time.perf_counter()
        faces = landmarker(image) if plain else find(image, float(info.seconds(frame.pts)), cut)
        spent.append(1000 * (time.perf_counter() - began))
        counts.append(len(faces))
        if not plain and number % 5 == 0:
            looked += len(faces)
            doubted += sum(not second_look(image, face.box) for face in faces)
    return len(counts), sum(c > 0 for c in counts), sum(counts), np.mean(spent), max(spent), doubted, looked


def second_look(image, box):
    """Whether YuNet sees a face where one was found, in a square that makes it some hundred pixels high."""
    side = round(3 * box[3])
    x, y = (round(v) for v in box[:2] + box[2:4] / 2 - side / 2)
    left, top = max(x, 0), max(y, 0)
    part = image[top : max(y + side, 1), left : max(x + side, 1)]
    shown = cv2.resize(part, None, fx=320 / side, fy=320 / side, interpolation=cv2.INTER_AREA)
    judge = cv2.FaceDetectorYN.create(str(yunet()), "", shown.shape[1::-1], DOUBTED)
    _, found = judge.detect(cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
    place = (box - (left, top, 0, 0, 0)) * 320 / side
    return found is not None and any(overlap(row[:4].astype(float), place) > 0.25 for row in found)


def heads(landmarker):
    """Pictures of heads with their shoulders, each with the height of its face."""
    for name, number in SOURCES.items():
        info = probe_video(SCENES / name)
        image = next(upright_image(f, info) for i, f in enumerate(read_frames(info)) if i == number)
        box = landmarker(image)[0].box
        side = int(2.4 * box[3])
        x, y = (int(max(v, 0)) for v in box[:2] + box[2:4] / 2 - side / 2)
        yield image[y : y + side, x : x + side], box[:2] - (x, y), box[3]


def wide_shot(made, height):
    """A 4K picture of a hall (a blurred clip) with small heads in it, and the boxes of their faces."""
    info = probe_video(SCENES / "stage_small_face.mp4")
    hall = cv2.GaussianBlur(upright_image(next(read_frames(info)), info), (0, 0), 6)
    image, boxes = cv2.resize(hall, (3840, 2160), interpolation=cv2.INTER_CUBIC), []
    for number, (x, y) in enumerate(PLACES):
        head, corner, high = made[number % len(made)]
        small = cv2.resize(head, None, fx=height / high, fy=height / high, interpolation=cv2.INTER_AREA)
        image[y : y + small.shape[0], x : x + small.shape[1]] = small
        boxes.append(
            np.array([x, y, 0, 0, 0]) + np.array([*(corner * height / high), height * 124 / 158, height, 0])
        )
    return image, boxes


def found_in_4k(finder_of, made):
    """Share of the faces found at a cut, for each height, and the ms it takes; false ones."""
    cells = []
    for height in HEIGHTS:
        image, boxes = wide_shot(made, height)
        find = finder_of()
        began = time.perf_counter()
        faces = find(image, 0.0, True)
        spent = time.perf_counter() - began
        right = sum(any(overlap(f.box, box) > 0.3 for f in faces) for box in boxes)
        cells.append(f"{right}/{len(boxes)}, {len(faces) - right} false, {1000 * spent:.0f} ms")
    return cells


def costs(name, landmarker):
    """ms a frame: decoding and conversion, cuts, faces; of the whole look."""
    info, find, is_cut = probe_video(SCENES / name), FaceFinder(landmarker), CutDetector()
    spent, count, mark = np.zeros(3), 0, time.perf_counter()
    for frame in read_frames(info):
        image = upright_image(frame, info)
        times = [mark, time.perf_counter()]
        cut = is_cut(image)
        times.append(time.perf_counter())
        find(image, float(info.seconds(frame.pts)), cut)
        mark = time.perf_counter()
        spent += np.diff([*times, mark])
        count += 1
    return 1000 * spent / count


def job_ms(name):
    """ms a frame of a whole job, the network a stand-in that copies, after the analysis."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIPDUB_CACHE"] = folder
        spent, last = {}, [time.perf_counter()]

        def watch(step):
            now = time.perf_counter()
            spent[step.stage] = spent.get(step.stage, 0.0) + now - last[0]
            last[0] = now

        dub = FOOTAGE / "speech" / "french_synthetic.wav"
        result = sync(SCENES / name, dub, Path(folder) / "out.mp4", inpainter=CopyReference(), progress=watch)
    return 1000 * sum(t for stage, t in spent.items() if stage != "analyse") / result.frames


def yunet() -> Path:
    return Path(sys.argv[1]) if len(sys.argv) > 1 else weights.locate("yunet")


def found_rows(alone, both):
    for name, (with_face, faces, ms, longest) in BEFORE.items():
        plain = clip(name, alone, plain=True)
        row = [f"{name} ({plain[0]})", f"{plain[1]} / {plain[2]}, {plain[3]:.0f} ms", f"{with_face} / {faces}, {ms:.0f} ms, {longest}"]  # fmt: skip
        for landmarker in (alone, both):
            _, with_face, faces, ms, longest, doubted, looked = clip(name, landmarker)
            row.append(f"{with_face} / {faces}, {ms:.0f} ms, {longest:.0f}; {doubted} of {looked}")
        print(*row, sep=" | ", flush=True)
        yield row


def cost_rows(both):
    for name in ("speaker_portrait_1080p.mp4", "speaker_beard_1080p.mp4", "three_faces_1080p.mp4"):
        decode, cuts, faces = costs(name, both)
        look, rest = decode + cuts + faces, job_ms(name)
        yield [name, *(f"{v:.1f}" for v in (decode, cuts, faces)), f"{1000 / look:.0f}", f"{100 * faces / look:.0f} %",
               f"{rest:.0f}", f"{100 * faces / (look + rest):.0f} %"]  # fmt: skip


def main() -> None:
    cv2.setNumThreads(1)
    model = weights.locate("face_landmarker")
    with FaceLandmarker(model) as alone, FaceLandmarker(model, FaceDetector(yunet())) as both:
        found = list(found_rows(alone, both))
        made = list(heads(both))
        wide = [["the landmarker alone", *found_in_4k(lambda: FaceFinder(alone), made)],
                ["with YuNet", *found_in_4k(lambda: FaceFinder(both), made)]]  # fmt: skip
        cost = list(cost_rows(both))
    text = (
        "## Faces of every size\n\n"
        "Frames with a face / faces found in all frames, ms a frame, the longest frame in ms; then of how many finds (in "
        f"every fifth frame) YuNet, given a closer look, doubts with a score below {DOUBTED} that they are faces. *Plain*: the landmarker on the whole picture. *Before*: "
        "as of commit 8909239, every 0.2 s all parts where no face was known, by the landmarker.\n\n"
        + table(["clip (frames)", "plain", "before", "now, the landmarker alone", "now, with YuNet"], found)
        + f"\n\nA 4K picture with {len(PLACES)} real faces of one height, looked at once, as at a cut.\n\n"
        + table(["", *(f"{h} px" for h in HEIGHTS)], wide)
        + "\n\nCost at 1080p with YuNet, ms a frame: of the look, and of the rest of a job with a network that only copies.\n\n"
        + table(
            [
                "clip",
                "decode, convert",
                "cuts",
                "faces",
                "look, fps",
                "faces' share of the look",
                "rest of the job",
                "faces' share of all",
            ],
            cost,
        )
    )
    put("detection", text)


if __name__ == "__main__":
    main()
