"""The draft on the authors' examples, as one more panel; see `published.py`. Part of `draft.py`."""

import argparse
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch

from common import FOOTAGE
from lipdub.engine import Engine, load_engine, load_landmarker
from lipdub.evaluation.kept import keep, kept
from lipdub.evaluation.measure import measure as measure_clip
from lipdub.evaluation.measure import see
from lipdub.evaluation.summary import REAL
from lipdub.evaluation.views import SIDE
from lipdub.faces.detect import FaceLandmarker
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe_sound import probe_audio
from lipdub.options import SyncOptions
from lipdub.protocol.generating import Shot, generate
from lipdub.protocol.takes import take_of
from published import judges_with, panels_of, speech_of

ROW = "lipdub, draft weights"
SHOWN = ("truth", "truth_best", "leak", "leak_share", "identity", "flicker", "lpips")


def published(given: argparse.Namespace) -> None:
    """The authors' examples: their sources with lips of the draft, as one more panel; see `published.py`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    truths = np.load(FOOTAGE / "published" / "true_apertures.npz")
    paths = sorted((FOOTAGE / "published").glob("*.mp4"), key=lambda path: path.name not in truths)
    options = SyncOptions(weights=str(given.weights), steps=given.steps, device="cpu")
    engine = load_engine(options)
    folder = given.work / f"published-{given.reference}"
    shot = Shot("cross", given.reference)
    with load_landmarker() as landmarker:
        judges = judges_with(landmarker)
        for path in paths[: given.clips]:
            if kept(folder, path.stem) is None:
                source = panels_of(path)[REAL]
                shown, first = painted(path, source, engine, shot, landmarker, folder)
                truth = truths.get(path.name)
                speech = speech_of(path, len(shown), None if truth is None else truth[first:])
                source = source[first : first + len(shown)]
                found = measure_clip(see(shown, landmarker), see(source, landmarker), speech, judges)
                keep(folder, path.stem, path.name, {ROW: found})
            figures = kept(folder, path.stem)[ROW].figures
            print(path.name, {k: round(figures.get(k, np.nan), 3) for k in SHOWN}, flush=True)


def painted(
    path: Path,
    source: npt.NDArray[np.uint8],
    engine: Engine,
    shot: Shot,
    landmarker: FaceLandmarker,
    folder: Path,
) -> tuple[npt.NDArray[np.uint8], int]:
    """The views of a source with new lips, on the product's own road, and the first frame in which it saw a face."""
    with tempfile.TemporaryDirectory() as fresh:
        video = Path(fresh) / "source.mkv"
        with av.open(str(video), "w") as file:
            stream = file.add_stream("ffv1", rate=25, width=SIDE, height=SIDE, pix_fmt="bgr0")
            for view in source:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
            file.mux(stream.encode(None))
        take = take_of(video, landmarker)
        sound = np.array(decode_for_network(probe_audio(path), Path(fresh) / "pcm"))
        views = generate(take, sound, engine.inpainter, shot)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{path.stem}-views.npy", views[::5])
    frames = np.rint(take.seconds * 25).astype(int)
    assert np.array_equal(frames, np.arange(frames[0], frames[0] + len(frames)))  # it is seen without a gap
    return views, int(frames[0])
