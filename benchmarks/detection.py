"""Faces found in real clips and in a made 4K picture, and what finding them costs.

``python detection.py YUNET``: the path of YuNet's file, if it is not among the fetched weights.
"""

import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np

from common import FOOTAGE, CopyReference, put, table
from lipdub import SyncOptions, sync, weights
from lipdub.faces.detect import FaceDetector, FaceLandmarker, overlap
from lipdub.faces.finder import FaceFinder
from lipdub.faces.shots import CutDetector
from lipdub.looking import look_at
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
THREE = ("speaker_portrait_1080p.mp4", "speaker_beard_1080p.mp4", "speaker_2213fps.mp4")
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
        began = time.process_time()
        faces = landmarker(image) if plain else find(image, float(info.seconds(frame.pts)), cut)
        spent.append(1000 * (time.process_time() - began))
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
        began = time.process_time()
        faces = find(image, 0.0, True)
        spent = time.process_time() - began
        right = sum(any(overlap(f.box, box) > 0.3 for f in faces) for box in boxes)
        cells.append(f"{right}/{len(boxes)}, {len(faces) - right} false, {1000 * spent:.0f} ms")
    return cells


def costs(path, landmarker):
    """ms a frame: decoding and conversion, cuts, faces; and faces a frame."""
    info, find, is_cut = probe_video(path), FaceFinder(landmarker), CutDetector()
    spent, count, faces, mark = np.zeros(3), 0, 0, time.process_time()
    for frame in read_frames(info):
        image = upright_image(frame, info)
        times = [mark, time.process_time()]
        cut = is_cut(image)
        times.append(time.process_time())
        faces += len(find(image, float(info.seconds(frame.pts)), cut))
        mark = time.process_time()
        spent += np.diff([*times, mark])
        count += 1
    return *(1000 * spent / count), faces / count


def job_ms(path):
    """ms a frame of a whole job, the network a stand-in that copies: of the analysis, and of the rest.

    Also the number of frames that change.
    """
    dub, info = FOOTAGE / "speech" / "french_synthetic.wav", probe_video(path)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIPDUB_CACHE"] = folder
        look_at(info, SyncOptions(), Path(folder), end=Fraction(1, 5))  # what is loaded once is not measured
        began = time.process_time()
        look_at(info, SyncOptions(), Path(folder))
        looked = time.process_time()
        # The analysis is known by now.
        result = sync(path, dub, Path(folder) / "out.mp4", inpainter=CopyReference())
        rest = time.process_time() - looked
    return 1000 * (looked - began) / result.frames, 1000 * rest / result.frames, result.changed


def three_abreast(path):
    """A made 1080p clip of three speakers side by side, 5 s, with the sound of the first."""
    infos = [probe_video(SCENES / name) for name in THREE]
    streams = [read_frames(info) for info in infos]
    silent = path.with_suffix(".silent.mp4")
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(125):
            images = [upright_image(next(s), i) for s, i in zip(streams, infos, strict=True)]
            frame = av.VideoFrame.from_ndarray(np.hstack([_third(i) for i in images]), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sound = ["-i", SCENES / THREE[0], "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-shortest"]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", silent, *sound, path], check=True
    )
    return path


def _third(image):
    """640×1080 of a picture: its upper middle, of that shape."""
    height, width = image.shape[:2]
    side = min(width, height * 640 // 1080)
    left, rows = (width - side) // 2, side * 1080 // 640
    return cv2.resize(image[:rows, left : left + side], (640, 1080), interpolation=cv2.INTER_AREA)


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


def cost_rows(both, folder):
    names = ("speaker_portrait_1080p.mp4", "speaker_beard_1080p.mp4", "three_faces_1080p.mp4")
    for path in (*(SCENES / name for name in names), three_abreast(folder / "three speakers abreast.mp4")):
        decode, cuts, faces, seen = costs(path, both)
        look, rest, changed = job_ms(path)
        row = [path.name, f"{seen:.1f}", *(f"{v:.1f}" for v in (decode, cuts, faces, look - decode - cuts - faces)),
               f"{1000 / look:.0f}", f"{100 * faces / look:.0f} %", f"{rest:.0f} ({changed})", f"{100 * faces / (look + rest):.0f} %"]  # fmt: skip
        print(*row, sep=" | ", flush=True)
        yield row


def main() -> None:
    cv2.setNumThreads(1)
    model = weights.locate("face_landmarker")
    with FaceLandmarker(model) as alone, FaceLandmarker(model, FaceDetector(yunet())) as both:
        found = list(found_rows(alone, both))
        made = list(heads(both))
        wide = [["the landmarker alone", *found_in_4k(lambda: FaceFinder(alone), made)],
                ["with YuNet", *found_in_4k(lambda: FaceFinder(both), made)]]  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            cost = list(cost_rows(both, Path(folder)))
    text = (
        "## Faces of every size\n\n"
        "Frames with a face / faces found in all frames, processor ms a frame, the longest frame in ms (*before*: by the clock); then of how many finds (in "
        f"every fifth frame) YuNet, given a closer look, doubts with a score below {DOUBTED} that they are faces. *Plain*: the landmarker on the whole picture. *Before*: "
        "as of commit 8909239, every 0.2 s all parts where no face was known, by the landmarker.\n\n"
        + table(["clip (frames)", "plain", "before", "now, the landmarker alone", "now, with YuNet"], found)
        + f"\n\nA 4K picture with {len(PLACES)} real faces of one height, looked at once, as at a cut.\n\n"
        + table(["", *(f"{h} px" for h in HEIGHTS)], wide)
        + "\n\nCost at 1080p with YuNet, processor ms a frame; frames a second are of one core. *Rest of the analysis*: landmarks measured, who speaks (LR-ASD), who it "
        "is (SFace), the record kept. *Rest of the job*: with a network that only copies, for which detection weighs most "
        "(in brackets the frames that change).\n\n"
        + table(
            [
                "clip",
                "faces a frame",
                "decode, convert",
                "cuts",
                "faces",
                "rest of the analysis",
                "analysis, fps of a core",
                "faces' share of the analysis",
                "rest of the job",
                "faces' share of all",
            ],
            cost,
        )
    )
    put("detection", text)


if __name__ == "__main__":
    main()
