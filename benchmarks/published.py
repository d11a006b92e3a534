"""What the authors' own examples measure: source, Wav2Lip, PC-AVS and Diff2Lip on the same speech.

`python benchmarks/published.py FOLDER` keeps there what was measured of each clip, so that a stopped run goes on.
With the file of a sync expert as a second argument, it is asked too; with a folder that `draft.py published` filled as
the last, the draft weights have a row.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from common import FOOTAGE, put
from lipdub.engine import fetch_if_possible, load_embedder, load_landmarker
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.embedders import RATE
from lipdub.evaluation.images import psnr, ssim
from lipdub.evaluation.judges import Judges, expert_judge, inception_judge, lpips_judge
from lipdub.evaluation.kept import keep, kept
from lipdub.evaluation.measure import FEATURES_EVERY, Measured, Seen, Speech, measure, see
from lipdub.evaluation.summary import REAL, summarise
from lipdub.evaluation.tables import Column, ResultTable, Row, to_markdown
from lipdub.evaluation.views import BOTTOM, LEFT, MIDDLE, RIGHT, SIDE
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio

PANELS = {REAL: 0, "Wav2Lip": 234, "PC-AVS": 458, "Diff2Lip": 682}
EVERY = 5
"""The parts' PSNR is taken of each fifth frame, as the evaluation does."""
PARTS = {
    "beside": (slice(None), np.r_[:LEFT, RIGHT:SIDE]),
    "upper": (slice(0, MIDDLE), slice(LEFT, RIGHT)),
    "lower": (slice(MIDDLE, BOTTOM), slice(LEFT, RIGHT)),
}
PARTS_COLUMNS = tuple(
    Column(f"{kind}_{part}", f"{kind.upper()} {words}", better=better, digits=digits)
    for kind, digits in (("psnr", 1), ("ssim", 3))
    for part, words, better in (
        ("beside", "beside the crop", "up"),
        ("upper", "upper half", "up"),
        ("lower", "lower half", ""),
    )
)


def panels_of(path):
    """{system: views [n, 224, 224, 3]}."""
    info = probe_video(path)
    images = np.stack([upright_image(frame, info) for frame in read_frames(info)])
    return {name: np.ascontiguousarray(images[:, :, x : x + SIDE]) for name, x in PANELS.items()}


def seen_in(panels, path, landmarker, folder):
    """{system: Seen}; the landmarks are kept."""
    file = folder / f"{path.stem}.npy"
    if not file.exists():
        points = np.stack([see(views, landmarker).points for views in panels.values()], axis=1)
        np.save(folder / "unfinished.npy", points)
        (folder / "unfinished.npy").replace(file)
    points = np.load(file)
    return {name: Seen(views, points[:, k]) for k, (name, views) in enumerate(panels.items())}


def speech_of(path, frames, truth):
    """The sound, and the true speaker's aperture at each frame, NaN after its end."""
    with tempfile.TemporaryDirectory() as folder:
        sound = np.array(decode_for_network(probe_audio(path), Path(folder) / "pcm"))
    aperture = None
    if truth is not None:
        aperture = np.full(frames, np.nan)
        aperture[: len(truth)] = truth[:frames]
    return Speech(sound, np.arange(frames) / RATE, aperture)


def parts_of(shown, source):
    """PSNR and SSIM of the luma in parts of the view."""
    grey = [[cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in views[::EVERY]] for views in (shown, source)]
    found = {}
    for name, (rows, columns) in PARTS.items():
        for kind, metric in (("psnr", psnr), ("ssim", partial(part_ssim, name))):
            pairs = ((a[rows][:, columns], b[rows][:, columns]) for a, b in zip(*grey, strict=True))
            found[f"{kind}_{name}"] = float(np.mean([metric(a, b) for a, b in pairs]))
    return found


def part_ssim(name, a, b):
    """SSIM; beside the crop, of both sides by themselves."""
    if name != "beside":
        return ssim(a, b)
    return (ssim(a[:, :LEFT], b[:, :LEFT]) + ssim(a[:, LEFT:], b[:, LEFT:])) / 2


def measured(path, truth, judges, folder):
    """{system: Measured}, kept or made now."""
    key = path.stem + ("-expert" if judges.expert else "")
    before = kept(folder, key)
    if before:
        return before
    panels = panels_of(path)
    seen = seen_in(panels, path, judges.landmarker, folder)
    speech = speech_of(path, len(panels[REAL]), truth)
    clip = {}
    for name, shown in seen.items():
        found = measure(shown, seen[REAL], speech, judges)
        clip[name] = Measured(found.figures | parts_of(shown.views, panels[REAL]), found.features)
    keep(folder, key, path.name, clip)
    return clip


def gains(clips):
    """How much better than the source each method agrees with the truth, clip by clip."""
    for name in PANELS:
        if name != REAL:
            better = [clip[name].figures["truth"] - clip[REAL].figures["truth"] for clip in clips]
            gain = mean_interval(better)
            yield f"{name} {gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"


def lags(clips):
    """Median over the clips of the lag at which each panel agrees best with the truth."""
    for name in PANELS:
        yield f"{name} {np.median([clip[name].figures['lag'] for clip in clips]):+g}"


def parts_table(clips):
    """The second table."""
    rows = [
        Row(
            name,
            {c.key: mean_interval([clip[name].figures[c.key] for clip in clips]) for c in PARTS_COLUMNS},
        )
        for name in PANELS
        if name != REAL
    ]
    return ResultTable(PARTS_COLUMNS, rows)


def judges_with(landmarker, expert=None):
    """The networks that measure: those that can be had, and a sync expert's file if there is one."""
    lpips, inception = fetch_if_possible("lpips_alex"), fetch_if_possible("inception")
    return Judges(
        landmarker,
        load_embedder(),
        lpips_judge(lpips) if lpips else None,
        inception_judge(inception) if inception else None,
        expert=expert_judge(expert) if expert else None,
    )


def main():
    paths = sorted((FOOTAGE / "published").glob("*.mp4"))
    truths = np.load(FOOTAGE / "published" / "true_apertures.npz")
    with tempfile.TemporaryDirectory() as fresh, load_landmarker() as landmarker:
        folder = Path(sys.argv[1] if sys.argv[1:] else fresh)
        expert = Path(sys.argv[2]) if sys.argv[2:] and Path(sys.argv[2]).is_file() else None
        judges = judges_with(landmarker, expert)
        clips = []
        for path in paths:
            truth = truths.get(path.name)
            clips.append(measured(path, truth, judges, folder))
            if sys.argv[2:] and Path(sys.argv[-1]).is_dir():
                clips[-1] |= kept(Path(sys.argv[-1]), path.stem) or {}
            print(path.name, *(f"{m.figures['leak']:+.2f}" for m in clips[-1].values()), flush=True)
    known = [clip for path, clip in zip(paths, clips, strict=True) if path.name in truths]
    note = (
        f"The true speaker is known for {len(known)} of the {len(clips)} clips only: no more can be said of how well "
        "the others are in sync."
    )
    frames = sum(len(clip[REAL].features) for clip in clips if clip[REAL].features is not None)
    put(
        "published",
        "## The authors' own examples\n\n"
        f"{len(paths)} of the authors' cross examples, 224×224, each beside the source that it changes, through "
        "`lipdub.evaluation`. Pictures are compared with the source in the crop, though its lower half is repainted: more is "
        f"not better there. FID is of {frames} frames, each {FEATURES_EVERY}th, against the source's; of so few it is large, and "
        "only rows compare. The truth is the aperture of the person who really spoke the sound, *leak* is measured "
        "against the source's aperture, *flicker* is the change from frame to frame in the lower half over the source's, *identity* "
        "the cosine of SFace with the source. SyncNet and a published expert cannot be had here.\n\n"
        + to_markdown(summarise(clips, "", dict.fromkeys(PANELS, note), alike=False))
        + f"\nAgreement with the truth above the source's, clip by clip: {'; '.join(gains(known))}. "
        "Where it is best, the lips come later than the true ones by so many frames (median; the source's is what chance makes of it): "
        f"{', '.join(lags(known))}.\n\nBy parts, of the luma against the source; beside the crop it is the codec that is measured:\n\n"
        + to_markdown(parts_table(clips)),
    )


if __name__ == "__main__":
    main()
