"""How much of the old lips each kind of reference lets through a network that copies, on real clips."""

import numpy as np

from common import FOOTAGE, CopyReference, Silence, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import analyse
from lipdub.faces.crop import lip_aperture
from lipdub.faces.detect import overlap, scaled
from lipdub.faces.finder import FaceFinder
from lipdub.faces.leak import leak
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.planes import pts_of
from lipdub.media.probe import probe_video
from lipdub.options import REFERENCES
from lipdub.planning import make_plan
from lipdub.render import Shown, render

CLIPS = [
    "scenes/speaker_2213fps.mp4", "scenes/speaker_beard_1080p.mp4", "scenes/two_faces_interview.mp4",
    "scenes/noface_face.mov", "scenes/carphone_176x144.mp4",
    "training/others/retalking_face_2.mp4", "training/others/opentalking_newscaster.mp4",
    "training/others/voxceleb_misc_Audio_Source_681100216.mp4",
]  # fmt: skip
SECONDS = 5


def apertures(shown, plan, info, landmarker):
    """{pts: aperture} of the faces that the plan changes, in frames as they are shown."""
    find, found = FaceFinder(landmarker), {}
    for item in shown:
        image = upright_image(item.frame, info)
        factor = info.geometry.upright_size[1] / image.shape[0]
        faces = [scaled(f, factor) for f in find(image, float(info.seconds(item.source)), cut=False)]
        for edit in plan.at(item.source):
            near = max(faces, key=lambda f: overlap(f.box, edit.box), default=None)
            if near is not None and overlap(near.box, edit.box) > 0.5 and edit.opacity == 1:
                found[edit.face, edit.pts] = lip_aperture(near.landmarks)
    return found


def measure(path, landmarker):
    info = probe_video(path)
    analysis = analyse(info, landmarker, end=SECONDS)

    def frames():
        return (Shown(frame, pts_of(frame)) for frame in read_frames(info, end=SECONDS))

    old = apertures(frames(), make_plan(analysis, info), info, landmarker)
    for kind in REFERENCES:
        plan = make_plan(analysis, info, kind)
        new = apertures(render(plan, info, Silence(), CopyReference(), frames()), plan, info, landmarker)
        keys = sorted(old.keys() & new.keys())
        rows = np.array([(old[k], new[k]) for k in keys]).reshape(-1, 2)
        yield kind, *leak(*rows.T), len(plan.references), len(rows)


def main():
    rows = []
    with load_landmarker() as landmarker:
        for name in CLIPS:
            values = {kind: rest for kind, *rest in measure(FOOTAGE / name, landmarker)}
            rows.append(
                [
                    name.split("/")[-1],
                    values["same"][3],
                    *(f"{values[k][0]:+.2f} / {values[k][1]:+.2f}" for k in REFERENCES),
                ]
            )
            print(*rows[-1], {k: v[2] for k, v in values.items()}, flush=True)
    sizes = np.abs([[[float(v) for v in cell.split(" / ")] for cell in row[2:]] for row in rows])
    rows.append(["mean of the sizes", "", *(f"{a:.2f} / {b:.2f}" for a, b in np.nanmean(sizes, axis=0))])
    put(
        "leak",
        "## Old lips that show through\n\n"
        "Correlation of the lips' aperture before and after, frame by frame, and how much of the old movement comes "
        f"back (the slope of new over old), in the first {SECONDS} s of real clips; "
        "the network is a stand-in that returns the lower half of its reference. `same` must be 1 but for what "
        "scaling to 128 pixels costs; the others are what landmarks of a mouth that another frame lent still tell of "
        "the old one. Which `--reference` is the best default is to be decided by the same number once trained "
        "weights exist.\n\n" + table(["clip", "frames", *REFERENCES], rows),
    )


if __name__ == "__main__":
    main()
