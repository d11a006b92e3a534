"""What the gates find, of made occlusions and blurs, and what they close on real clips that nothing ails."""

from collections import Counter

import cv2
import numpy as np

from common import FOOTAGE, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import analyse
from lipdub.faces.crop import from_crop
from lipdub.faces.detect import overlap, shifted
from lipdub.faces.finder import FaceFinder
from lipdub.faces.mouths import covered, look_at_mouth
from lipdub.gating import GATES, gate, runs
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.planes import pts_of
from lipdub.media.probe import probe_video

SECONDS = 5
CLIPS = [
    *sorted(FOOTAGE.glob("scenes/*")),
    *sorted(FOOTAGE.glob("training/others/*.*"))[::2],
    *sorted(FOOTAGE.glob("training/grid/*.mkv"))[::100],
]
MADE_ON = [
    *(FOOTAGE / "scenes" / n for n in ("speaker_2213fps.mp4", "speaker_beard_1080p.mp4", "two_faces_interview.mp4")),
    *sorted(FOOTAGE.glob("training/others/*.*"))[::2],
]  # fmt: skip
OCCLUDERS = (
    "hand in the face's own colour",
    "hand of another",
    "black microphone",
    "grey microphone",
    "white paper",
)
BLURS = {"defocus, σ 2 px": (2, 0), "defocus, σ 3 px": (3, 0), "defocus, σ 4 px": (4, 0), "defocus, σ 6 px": (6, 0),
         "motion, 15 px": (0, 15), "motion, 30 px": (0, 30)}  # fmt: skip
CLOSES = {g.reason.split(" (")[0]: g.closes for g in GATES}
SHADES = np.array([[224, 178, 150], [165, 115, 85], [95, 62, 45]])


def hand():
    mask = np.zeros((64, 64), np.float32)
    for finger in range(4):
        cv2.line(mask, (8, 18 + 9 * finger), (54 - 2 * abs(finger - 1), 18 + 9 * finger), 1, 8)
    cv2.ellipse(mask, (12, 34), (14, 20), 0, 0, 360, 1, -1)
    return mask


def microphone():
    mask = np.zeros((64, 64), np.float32)
    cv2.circle(mask, (32, 26), 15, 1, -1)
    cv2.rectangle(mask, (27, 38), (37, 63), 1, -1)
    return mask


def paper():
    mask = np.zeros((64, 64), np.float32)
    mask[14:, 6:58] = 1
    return mask


def skin_texture(colour, rng):
    texture = np.tile(colour.astype(np.float32) * rng.uniform(0.8, 1.2), (64, 64, 1))
    for line in range(14, 60, 9):
        cv2.line(texture, (0, line), (64, line), (colour * 0.7).tolist(), 1)
    return cv2.GaussianBlur(texture, (0, 0), 1) + rng.normal(0, 4, texture.shape)


def occluded(image, box, kind, rng):
    """The picture with something over the mouth, at a place and an angle by chance."""
    if kind.startswith("hand"):
        x, y = from_crop(np.array([[0.25, 0.5]]), box)[0].astype(int)
        reach = max(int(box[3] / 16), 1)
        own = image[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach].reshape(-1, 3).mean(axis=0)
        texture = skin_texture(own if "own" in kind else SHADES[rng.integers(3)], rng)
        mask = hand()
    else:
        low, high, grain = {"black": (15, 50, 8), "grey": (90, 150, 20), "white": (190, 235, 4)}[
            kind.split()[0]
        ]
        texture = rng.normal(rng.uniform(low, high), grain, (64, 64, 1)) * np.ones(3)
        mask = paper() if "paper" in kind else microphone()
    mask = cv2.GaussianBlur(mask, (0, 0), 0.8)
    place = from_crop(np.array([[0.5, 0.78]]) + rng.uniform(-0.06, 0.06, 2), box)[0]
    matrix = cv2.getRotationMatrix2D((32, 32), rng.uniform(-30, 30), box[3] * 0.9 / 64)
    matrix[:, 2] += place - 32
    size = image.shape[1::-1]
    mask = cv2.warpAffine(mask, matrix, size)[..., None]
    over = cv2.warpAffine(
        np.clip(texture, 0, 255).astype(np.float32), matrix, size, borderMode=cv2.BORDER_REFLECT
    )
    return (image * (1 - mask) + over * mask).astype(np.uint8)


def blurred(image, box, sigma, motion):
    """The picture out of focus or moved, by pixels of a face that is 128 high."""
    scale = box[3] / 128
    if sigma:
        return cv2.GaussianBlur(image, (0, 0), sigma * scale)
    length = max(1, round(motion * scale))
    return cv2.filter2D(image, -1, np.full((1, length), 1 / length, np.float32))


def found_again(image, box, landmarker):
    side = int(2.2 * box[3])
    x, y = np.maximum((box[:2] + box[2:4] / 2 - side / 2).astype(int), 0)
    faces = [shifted(f, x, y) for f in landmarker(np.ascontiguousarray(image[y : y + side, x : x + side]))]
    best = max((f.box for f in faces), key=lambda b: overlap(b, box), default=None)
    return best if best is not None and overlap(best, box) > 0.3 else None


def made(path, landmarker, rng, tally):
    """Count, for each kind of trouble made on a clip: tried, lost by the finder, closed by the gate."""
    info, find, skins, tried = probe_video(path), FaceFinder(landmarker), [], []
    for number, frame in enumerate(read_frames(info, end=SECONDS)):
        if number % 5:
            continue
        image = np.ascontiguousarray(upright_image(frame, info))
        faces = find(image, float(info.seconds(pts_of(frame))), cut=False)[:1]
        for face in faces:
            skins.append(look_at_mouth(image, face.box).skin)
            if number % 20:
                continue
            for kind in OCCLUDERS:
                other = occluded(image, face.box, kind, rng)
                box = found_again(other, face.box, landmarker)
                tried.append((kind, None if box is None else look_at_mouth(other, box).skin))
            for kind, (sigma, motion) in BLURS.items():
                sharp = look_at_mouth(blurred(image, face.box, sigma, motion), face.box).sharpness
                tally[kind] += np.array([1, 0, 1 - sharp > CLOSES["too blurred"]])
    for kind, skin in tried:
        if skin is None:
            tally[kind] += np.array([1, 1, 0])
        else:
            share = covered(np.array([*skins, skin]))[-1]
            tally[kind] += np.array([1, 0, share > CLOSES["mouth covered"]])


def real(path, landmarker):
    """Frames of all tracks of a clip, how many are left alone, by reason, and in how many stretches."""
    info = probe_video(path)
    analysis = analyse(info, landmarker, end=SECONDS)
    cuts = [*analysis.shots, np.iinfo(np.int64).max]
    frames, stretches, reasons = 0, 0, Counter()
    for track in analysis.tracks:
        shot = next(k for k in range(len(cuts) - 1) if track.pts[0] < cuts[k + 1])
        shown = analysis.pts[(analysis.pts >= cuts[shot]) & (analysis.pts < cuts[shot + 1])]
        opacity, left = gate(track, shown, info)
        frames += len(track.pts)
        stretches += len(list(runs(opacity == 0)))
        for row in left:
            reasons[row.reason.split(" (")[0]] += int(
                ((track.pts >= row.first) & (track.pts <= row.last)).sum()
            )
    return frames, stretches, reasons


def main():
    rng, tally = np.random.default_rng(7), {k: np.zeros(3, int) for k in (*OCCLUDERS, *BLURS)}
    rows = []
    with load_landmarker() as landmarker:
        for path in MADE_ON:
            made(path, landmarker, rng, tally)
        for path in CLIPS:
            frames, stretches, reasons = real(path, landmarker)
            said = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
            rows.append((path.name, frames, sum(reasons.values()), stretches, said))
            print(*rows[-1], flush=True)
    total = ("all", *(sum(row[k] for row in rows) for k in (1, 2, 3)), "")
    troubles = [
        (kind, n, f"{100 * lost / n:.0f} %", f"{100 * closed / max(n - lost, 1):.0f} %")
        for kind, (n, lost, closed) in tally.items()
    ]
    put(
        "gates",
        "## Gates\n\n"
        f"*Made trouble*, on single frames of {len(MADE_ON)} real clips; pixels are those of a face 128 high. *Lost*: no face "
        "is found any more, so nothing is changed. *Closed*: of the others, beyond the gate's bound. A hand in the very "
        "colour of the face is mostly not told from it.\n\n"
        + table(("trouble", "frames", "lost", "closed"), troubles)
        + f"\n\n*Real clips*, first {SECONDS} s, all tracks, as they are: frames in which a face is seen but left alone, and "
        "why.\n\n" + table(("clip", "frames of faces", "left alone", "stretches", "because"), [*rows, total]),
    )


if __name__ == "__main__":
    main()
