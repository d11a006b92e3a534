"""What viewers see of compositing: seams, sharpness and old lips, with stand-ins for the network, on real clips.

The same paste as published code makes it (the lower half scaled back, with hard edges), as lipdub made it before
it matched colours and detail, as it makes it now, and OpenCV's Poisson cloning frame by frame.
"""

import sys
import time
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import cv2
import numpy as np

from common import FOOTAGE, psnr, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import analyse
from lipdub.faces.crop import to_crop
from lipdub.faces.detail import skin_field
from lipdub.faces.mask import mask_field, mouth_mask, places_of_cells, spread
from lipdub.faces.paste import paste, take_crop
from lipdub.faces.seam import membrane
from lipdub.faces.sighting import KEPT
from lipdub.faces.warp import warp
from lipdub.media.colour import Region
from lipdub.media.frames import read_frames
from lipdub.media.geometry import Geometry, compose, invert
from lipdub.media.planes import as_planar, plane_views
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.planning import make_plan
from lipdub.render import canvas_of

CLIPS = {
    "speaker_portrait_1080p.mp4": 3, "speaker_beard_1080p.mp4": 3, "speaker_2213fps.mp4": 3, "face_noface.mov": 4,
    "noface_face.mov": 12, "two_faces_interview.mp4": 3, "three_faces_1080p.mp4": 3, "six_cuts_dubbed_film.mp4": 3,
    "carphone_176x144.mp4": 3, "small_faces_cuts_2997.mp4": 3, "stage_small_face.mp4": 3,
}  # fmt: skip
"""Clip: seconds of it that are looked at."""
FRAMES = 20
AWAY = 8
FEWEST = 10
"""Pixels of lips in a frame: of fewer no mean is taken."""
PUBLISHED_FRAMES = 30
"""Frames from which another mouth is taken."""
HEIGHTS = (128, 256, 512)
SIZE = 128


@dataclass
class Shot:
    """Consecutive frames of one face: planes, the canvas, boxes, outlines."""

    canvas: object
    frames: list
    boxes: list
    outlines: list

    def crop(self, i):
        return take_crop(self.frames[i], self.canvas, self.boxes[i], SIZE)


def load(name, landmarker):
    info = probe_video(FOOTAGE / "scenes" / name)
    plan = make_plan(analyse(info, landmarker, end=CLIPS[name]), info)
    canvas, shot = canvas_of(info), None
    for frame in read_frames(info, end=CLIPS[name]):
        edits = [edit for edit in plan.at(frame.pts) if edit.opacity == 1]
        if not edits:
            continue
        if shot is None:
            shot, face = Shot(canvas, [], [], []), edits[0].face
        if edits[0].face == face and len(shot.frames) < FRAMES:
            frame = as_planar(frame)
            shot.frames.append([plane.copy() for plane in plane_views(frame, canvas.colour.form)])
            shot.boxes.append(edits[0].box)
            shot.outlines.append(edits[0].outline)
    return info, shot


def rescaled(info: VideoInfo, shot: Shot, height: int) -> Shot:
    """The same with a face of another height."""
    factor = height / np.median([box[3] for box in shot.boxes])
    width, tall = (2 * round(factor * n / 2) for n in (info.geometry.width, info.geometry.height))
    geometry = Geometry(width, tall, info.geometry.sample_aspect, info.geometry.rotation)
    canvas = canvas_of(replace(info, geometry=geometry))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    sizes = (width, tall), (width // 2, tall // 2), (width // 2, tall // 2)
    frames = [
        [cv2.resize(p, s, interpolation=how) for p, s in zip(f, sizes, strict=True)] for f in shot.frames
    ]
    boxes = [np.array([*(box[:4] * factor), box[4]]) for box in shot.boxes]
    return Shot(canvas, frames, boxes, shot.outlines)


# The stand-ins: what the network makes of the crop of frame i.


def own(shot, i):
    return shot.crop(i)


def off(crop):
    """8 grey levels lighter and 5 % of gamma, in the lower half."""
    result = crop.copy()
    half = crop.shape[0] // 2
    result[half:] = 2 * (np.clip((crop[half:] + 1) / 2, 0, 1) ** 1.05 + 8 / 255) - 1
    return result


def another(shot, i):
    """The mouth of a frame `AWAY` frames away, at its own place in its crop."""
    result = shot.crop(i)
    result[SIZE // 2 :] = shot.crop(away_from(shot, i))[SIZE // 2 :]
    return result


def away_from(shot, i):
    return i + AWAY if i + AWAY < len(shot.frames) else i - AWAY


def own_off(shot, i):
    return off(own(shot, i))


def another_off(shot, i):
    return off(another(shot, i))


# The ways to paste.


def _lower(canvas, box, margin=4):
    matrix = canvas.crop_to_coded(box, SIZE)
    corners = np.array(
        [[-0.5, SIZE / 2 - 0.5], [SIZE - 0.5, SIZE / 2 - 0.5], [-0.5, SIZE - 0.5], [SIZE - 0.5] * 2]
    )
    region = canvas.region(corners @ matrix[:, :2].T + matrix[:, 2], margin)
    matrix[:, 2] -= region.left, region.top
    return region, invert(matrix)


def rectangle(planes, canvas, box, generated, outline):
    """The published code's: the lower half scaled back by cv2.resize's bilinear way, hard edges."""
    region, to_crop = _lower(canvas, box)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    new = cv2.warpAffine(
        (generated + 1) / 2, to_crop, region.size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    x, y = np.meshgrid(np.arange(region.size[0]), np.arange(region.size[1]))
    place = np.stack([x, y], axis=-1) @ to_crop[:, :2].T + to_crop[:, 2] + 0.5
    inside = ((place >= (0, SIZE / 2)) & (place < SIZE)).all(axis=-1)
    old = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
    canvas.colour.add(planes, region, inside[..., None] * (new - old))


def before(planes, canvas, box, generated, outline):
    """lipdub's before: a feathered superellipse, cubic."""
    region, to_crop = _lower(canvas, box)
    new = warp((generated + 1) / 2, to_crop, region.size)
    old = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
    canvas.colour.add(planes, region, mouth_mask(to_crop, region.size, SIZE)[..., None] * (new - old))


def now(planes, canvas, box, generated, outline):
    paste(planes, canvas, box, generated, 1.0, outline)


def cloned(planes, canvas, box, generated, outline):
    """OpenCV's seamlessClone of the cubic picture, in the mask of now."""
    region, to_crop = _lower(canvas, box, 6)
    new = warp((generated + 1) / 2, to_crop, region.size)
    old = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
    mask = (mouth_mask(to_crop, region.size, SIZE, outline) > 0.02).astype(np.uint8) * 255
    mask[[0, 1, -2, -1]] = 0
    mask[:, [0, 1, -2, -1]] = 0
    if not mask.any():
        return
    x, y, w, h = cv2.boundingRect(mask)
    source, target = (np.rint(np.clip(p, 0, 1) * 255).astype(np.uint8) for p in (new, old))
    # It writes into its mask.
    result = cv2.seamlessClone(source, target, mask.copy(), (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
    change = (result.astype(np.float32) - target) / 255 * (mask > 0)[..., None]
    canvas.colour.add(planes, region, change)


WAYS = {"rectangle": rectangle, "before": before, "now": now, "seamlessClone": cloned}


@dataclass
class Pasted:
    """Luma of one frame round the mouth: the result, the source, mask and lips; all in the same region."""

    result: np.ndarray
    source: np.ndarray
    mask: np.ndarray
    lips: np.ndarray
    to_crop: np.ndarray


def luma(planes, canvas, region: Region):
    return planes[0][region.luma()].astype(np.float32) * (255 / (2**canvas.colour.form.bits - 1))


def finest(plane, to_crop):
    """What a picture of the network's size cannot carry."""
    to_plane = invert(to_crop)
    return plane - warp(warp(plane, to_plane, (SIZE, SIZE)), to_crop, plane.shape[::-1])


def pasted(shot, standin, way):
    results, spent = [], 0.0
    for i, frame in enumerate(shot.frames):
        generated = standin(shot, i)
        planes = [plane.copy() for plane in frame]
        began = time.process_time()
        way(planes, shot.canvas, shot.boxes[i], generated, shot.outlines[i])
        spent += time.process_time() - began
        region, to_crop = _lower(shot.canvas, shot.boxes[i])
        places = (places_of_cells() - (shot.outlines[i][8][0], 0.765)) / (0.2, 0.08)
        lips = spread(((places**2).sum(axis=-1) < 1).astype(np.float32), to_crop, region.size, SIZE) > 0.5
        source, result = luma(frame, shot.canvas, region), luma(planes, shot.canvas, region)
        mask = spread(mask_field(shot.outlines[i]), to_crop, region.size, SIZE)
        results.append(Pasted(result, source, mask, lips, to_crop))
    return results, 1e3 * spent / len(shot.frames)


def ssim(a, b, mask):
    """Mean SSIM (Gaussian window of 1.5, as published) where the mask is at least a half."""

    def blur(p):
        return cv2.GaussianBlur(p, (0, 0), 1.5)

    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = (
        (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    )
    return value[mask >= 0.5].mean()


def inside_in_time(frames, values):
    """Mean frame-to-frame change of `values(frame)` inside the mask, where two regions have one size."""
    changes = []
    for a, b in pairwise(frames):
        if a.mask.shape != b.mask.shape:
            size = a.mask.shape[::-1]
            b = replace(b, **{k: cv2.resize(getattr(b, k), size) for k in ("result", "source", "mask")})
        core = (a.mask >= 0.5) & (b.mask >= 0.5)
        changes.append(np.abs(values(b) - values(a))[core].mean())
    return float(np.mean(changes)) if changes else float("nan")


def steepest(error, mask):
    """Step per pixel of an error along the seam: the 99th percentile, in levels."""
    y, x = np.abs(np.diff(error, axis=0)), np.abs(np.diff(error, axis=1))
    grown = cv2.dilate((mask > 0).astype(np.uint8), np.ones((7, 7))) > 0
    return np.percentile(np.concatenate([y[grown[1:]], x[grown[:, 1:]]]), 99)


def sharpness(frames):
    """Energy of the fine detail inside the mask, of the result over the source."""
    core = [f.mask >= 0.5 for f in frames]
    new = np.concatenate([_high(f.result)[c] for f, c in zip(frames, core, strict=True)])
    old = np.concatenate([_high(f.source)[c] for f, c in zip(frames, core, strict=True)])
    return new.std() / old.std()


def _high(plane):
    return plane - cv2.GaussianBlur(plane, (0, 0), 1)


def carried(shot, i):
    """Luma [height, width] of the frame whose mouth is pasted into frame i, in its full detail, carried there."""
    region, to_crop = _lower(shot.canvas, shot.boxes[i])
    there = compose(shot.canvas.crop_to_coded(shot.boxes[away_from(shot, i)], SIZE), to_crop)
    whole = shot.frames[away_from(shot, i)][0].astype(np.float32)
    return warp(whole * (255 / (2**shot.canvas.colour.form.bits - 1)), there, region.size)


def old_lips(shot, frames):
    """How much of the old mouth's fine detail is in the result, where lips are replaced.

    Returns:
        by kind of detail: correlation of the result's with the old mouth's; that of the pasted mouth's own, as it
        was filmed, with the old mouth's; correlation of the result's with the old mouth's, both less what the
        pasted mouth's own explains; standard deviation of the result's over that of the pasted mouth's own.
    """
    found = {}
    for kind, detail in (("fine", finest), ("high", lambda plane, _: _high(plane))):
        parts = []
        for i, f in enumerate(frames):
            lips = f.lips & (f.mask > 0.95)
            if lips.sum() >= FEWEST:
                values = np.stack(
                    [detail(p, f.to_crop)[lips] for p in (f.result, f.source, carried(shot, i))]
                )
                parts.append(values - values.mean(axis=1, keepdims=True))
        if not parts:
            continue
        new, old, other = np.concatenate(parts, axis=1)
        rest = [part - other * (part @ other) / (other @ other) for part in (new, old)]
        found[kind] = cosine(new, old), cosine(other, old), cosine(*rest), new.std() / other.std()
    return found


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


def quality(shot, way):
    """A row of numbers for one shot and one way, and what it leaves of the old lips."""
    copy, spent = pasted(shot, own, way)
    shifted, _ = pasted(shot, own_off, way)
    other, _ = pasted(shot, another, way)
    both, _ = pasted(shot, another_off, way)
    errors = [s.result - c.result for s, c in zip(shifted, copy, strict=True)]
    left = np.mean([np.abs(e[c.mask > 0.9]).mean() for e, c in zip(errors, copy, strict=True)])
    twice = [b.result - o.result for b, o in zip(both, other, strict=True)]
    flicker = [replace(c, result=e) for c, e in zip(copy, errors, strict=True)]
    flicker_other = [replace(c, result=e) for c, e in zip(copy, twice, strict=True)]
    return {
        "psnr": np.mean([min(psnr(c.result[c.mask >= 0.5], c.source[c.mask >= 0.5]), 99) for c in copy]),
        "ssim": np.mean([ssim(c.result, c.source, c.mask) for c in copy]),
        "change": inside_in_time(copy, lambda f: f.result) / inside_in_time(copy, lambda f: f.source),
        "left": left,
        "left_other": np.mean([np.abs(e[c.mask > 0.9]).mean() for e, c in zip(twice, copy, strict=True)]),
        "step": np.mean([steepest(e, c.mask) for e, c in zip(errors, copy, strict=True)]),
        "flicker": inside_in_time(flicker, lambda f: f.result),
        "flicker_other": inside_in_time(flicker_other, lambda f: f.result),
        "other_change": inside_in_time(other, lambda f: f.result) / inside_in_time(other, lambda f: f.source),
        "other_sharp": sharpness(other),
        "ms": spent,
    }, old_lips(shot, other)


def matched(kind, error, seen, mask, skin):
    """What is taken off the network's error [S, S, 3] by one way to match light."""
    if kind == "membrane":
        return membrane(error, seen, mask, skin)
    if kind == "feather":
        return np.zeros_like(error)
    if kind == "seamlessClone":
        where = (cv2.resize(mask, (SIZE, SIZE)) > 0.02).astype(np.uint8) * 255
        where[[0, 1, -2, -1]] = 0
        where[:, [0, 1, -2, -1]] = 0
        x, y, w, h = cv2.boundingRect(where)
        new, old = (np.rint(np.clip(p, 0, 1) * 255).astype(np.uint8) for p in (seen + error, seen))
        result = cv2.seamlessClone(new, old, where.copy(), (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
        return seen + error - np.where(where[..., None] > 0, result / 255, seen + error)
    # Laplacian pyramid of the error, blended with the mask's own pyramid.
    masks, errors = [(cv2.resize(mask, (SIZE, SIZE)) > 0.5).astype(np.float32)], [error]
    for _ in range(4):
        masks.append(cv2.pyrDown(masks[-1]))
        errors.append(cv2.pyrDown(errors[-1]))
    blended = errors[-1] * masks[-1][..., None]
    for fine, coarse, share in zip(errors[-2::-1], errors[:0:-1], masks[-2::-1], strict=True):
        size = fine.shape[1::-1]
        blended = (
            cv2.pyrUp(blended, dstsize=size) + (fine - cv2.pyrUp(coarse, dstsize=size)) * share[..., None]
        )
    return error - blended


MATCHES = ("feather", "multi-band", "membrane", "seamlessClone")


def light(path, landmarker):
    """What each way leaves of the published network's error: at the rim, on the skin, and its flicker there."""
    frames = []
    for frame in islice(read_frames(probe_video(path)), PUBLISHED_FRAMES):
        image = frame.to_ndarray(format="rgb24")
        source = image[:, :224]
        faces = landmarker(np.ascontiguousarray(cv2.resize(source, (448, 448))))
        if faces:
            crops = [
                cv2.resize(image[:158, x + 50 : x + 174], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
                for x in (0, 682)
            ]
            outline = to_crop(faces[0].landmarks[list(KEPT)] / 2, np.array([50.0, 0, 124, 158, 0]))
            frames.append((*(np.float32(crop) / 255 for crop in crops), outline))
    result = {}
    for kind in MATCHES:
        rows, last = [], None
        for seen, new, outline in frames:
            error = new - seen
            error[: SIZE // 2] = 0
            mask, skin = mask_field(outline), skin_field(outline)
            left = cv2.GaussianBlur(error - matched(kind, error, seen, mask, skin), (0, 0), 4) * 255
            whole = cv2.resize(mask, (SIZE, SIZE))
            rim, face = 4 * whole * (1 - whole), whole * cv2.resize(skin, (SIZE, SIZE))
            shown, base = left * whole[..., None], cv2.GaussianBlur(seen, (0, 0), 4) * 255
            if last is not None:
                moved, own = np.abs(shown - last[0]).mean(-1), np.abs(base - last[1]).mean(-1)
                both = np.abs(shown - last[0] + base - last[1]).mean(-1)
                size = np.abs(left).mean(-1)
                rows.append([(size * rim).sum() / rim.sum(), (size * face).sum() / face.sum(),
                             (moved * face).sum() / face.sum(), (both * face).sum() / (own * face).sum()])  # fmt: skip
            last = shown, base
        result[kind] = np.mean(rows, axis=0) if rows else np.full(4, np.nan)
    return result


HEADS = {
    "psnr": "(a) PSNR, dB", "ssim": "(a) SSIM", "change": "(a) change in time / source", "left": "(b) levels left",
    "left_other": "(b) levels left, other mouth", "step": "(b) steepest step, levels/px",
    "flicker": "(b) flicker of the error, levels", "flicker_other": "(b) flicker, other mouth",
    "other_change": "(d) change in time / source", "other_sharp": "(d) sharpness / source", "ms": "CPU ms a face",
}  # fmt: skip


LIPS_HEADS = (
    "with old lips",
    "pasted mouth's own",
    "with old lips, less the pasted mouth's own",
    "strength / pasted mouth's own",
)
PLACES = {"psnr": 1, "ssim": 4, "ms": 1}
TEXT = """## Compositing

What a viewer sees, in luma, before encoding, on {frames} frames in a row of each clip's first face, with stand-ins for
the network: (a) returns the face's own lower half; (b) the same, 8 levels lighter and with a gamma of 1.05; (d) the
lower half of a frame {away} frames away, old head, old light and all. *rectangle*: the published code's paste; *before*:
a feathered superellipse; *now*: outline, membrane, detail; *seamlessClone*: OpenCV's, in the same mask. Step and flicker in
(b) are of what the stand-in's error adds. 99 dB stands for identical.

{rows}

(d) Old lips: fine detail of the result, correlated with the old mouth's, where lips are replaced entirely, all
frames together. *Fine* detail is what the network's 128 pixels cannot carry, down and up again; *high* is the luma less its
Gaussian of one pixel. The mouth that is pasted, as it was filmed and carried to its place in full detail, correlates with the old
one by itself, most where the mouth is still: the third column of each kind is the correlation of what it does not
explain. What a plain paste (*before*, *rectangle*) has there was in the network's picture; anything more is the old mouth showing
through, as it does in *before* where its mask does not cover the lips of a turned head (three_faces_1080p.mp4).

{lips}

(c) Sharpness inside the mask over the source's (standard deviation of the luma minus its Gaussian of one pixel), with
stand-in (a), {clips} clips scaled to three heights: mean (least to most).

{sharp}

Light, on what the published network really made ({videos} of the authors' examples, up to {published} frames of each), low
frequencies: how far the pasted picture is off.

{light}"""


def main():
    cv2.setNumThreads(1)
    names = sys.argv[1:] or list(CLIPS)
    rows, lips, sharp = [], [], {height: {way: [] for way in WAYS} for height in HEIGHTS}
    with load_landmarker() as landmarker:
        for name in names:
            info, shot = load(name, landmarker)
            if shot is None or len(shot.frames) <= 2 * AWAY:
                rows.append((name, "", "no face for long enough", *[""] * len(HEADS)))
                continue
            height = np.median([box[3] for box in shot.boxes])
            for label, way in WAYS.items():
                values, leaks = quality(shot, way)
                numbers = [f"{v:.2f}" for kind in ("fine", "high") for v in leaks.get(kind, [np.nan] * 4)]
                lips.append((name, f"{height:.0f}", label, *numbers))
                rows.append(
                    (name, f"{height:.0f}", label, *(f"{values[k]:.{PLACES.get(k, 2)}f}" for k in HEADS))
                )
                print(*rows[-1], *numbers, flush=True)
            for tall in HEIGHTS if height > 200 else ():
                other = rescaled(info, shot, tall)
                other = replace(
                    other, frames=other.frames[::8], boxes=other.boxes[::8], outlines=other.outlines[::8]
                )
                for label, way in WAYS.items():
                    sharp[tall][label].append(sharpness(pasted(other, own, way)[0]))
        found = [light(path, landmarker) for path in sorted((FOOTAGE / "published").glob("*.mp4"))[::6]]
    lights = [(kind, *(f"{v:.2f}" for v in np.nanmean([f[kind] for f in found], axis=0))) for kind in MATCHES]
    clips = len(sharp[HEIGHTS[0]]["now"])
    lines = [
        (h, *(f"{np.mean(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in sharp[h].values())) for h in HEIGHTS
    ]
    put(
        "compositing",
        TEXT.format(
            frames=FRAMES, away=AWAY, published=PUBLISHED_FRAMES, clips=clips, videos=len(found), rows=table(("clip", "face, px", "way", *HEADS.values()), rows),
            lips=table(("clip", "face, px", "way", *(f"{kind}: {head}" for kind in ("fine", "high") for head in LIPS_HEADS)), lips),
            sharp=table(("face, px", *WAYS), lines),
            light=table(("light matched by", "left at the rim, levels", "left on the skin", "its flicker", "skin's change / source"), lights),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
