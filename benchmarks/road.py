"""The whole road on real clips: `lipdub.sync` with the face landmarker really fetched.

The network is the small one with weights that follow from the names of its parameters: its mouths mean
nothing, its cost and everything round it do. Give a folder to keep the movies: ``python road.py FOLDER``.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from common import FOOTAGE, ROOT, psnr, put, table

sys.path.insert(0, str(ROOT))

from lipdub import SyncOptions, sync
from lipdub.engine import load_engine
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from tests.support.weights import save_tiny_checkpoint

CLIPS = {
    "speaker_portrait_1080p.mp4": "10 s, 1080×1920 HEVC",
    "face_noface.mov": "variable rate; the face disappears",
    "noface_face.mov": "variable rate; the face appears",
    "speaker_2213fps.mp4": "22.13 fps",
    "six_cuts_dubbed_film.mp4": "six cuts, several people",
    "carphone_176x144.mp4": "176×144, no sound of its own",
}
STEPS = 2


class Stopwatch:
    """Seconds spent in each stage, by the progress it reports."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, step) -> None:
        now = time.perf_counter()
        self.spent[step.stage] = self.spent.get(step.stage, 0.0) + now - self._last
        self._last = now


def times(path):
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def upper_half_psnr(source, output, pixels=8):
    """Luma PSNR of the frames' uppermost eighth, where no mouth is: what encoding alone costs."""
    values = []
    with av.open(str(source)) as a, av.open(str(output)) as b:
        for x, y in zip(a.decode(video=0), b.decode(video=0), strict=True):
            rows = x.height // pixels
            values.append(psnr(*(f.to_ndarray(format="gray")[:rows] for f in (x, y))))
    return float(np.median(values))


def offset_ms(dub, output, folder):
    """By how much the output's sound comes late, by cross-correlation with the dub at 16 kHz."""
    a, b = (
        np.asarray(decode_for_network(probe_audio(p), folder / f"{n}.pcm"), np.float64)
        for n, p in enumerate((dub, output))
    )
    length = min(len(a), len(b))
    spectrum = np.fft.rfft(b[:length], 2 * length) * np.conj(np.fft.rfft(a[:length], 2 * length))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    return (lag if lag < length else lag - 2 * length) / 16


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    cache = Path(tempfile.mkdtemp())
    os.environ |= {"LIPDUB_CACHE": str(cache)}
    os.environ.pop("LIPDUB_WEIGHTS", None)
    tiny = save_tiny_checkpoint(folder / "tiny.safetensors")
    engine = load_engine(SyncOptions(weights=str(tiny), steps=STEPS))
    dub = FOOTAGE / "speech" / "french_synthetic.wav"
    rows = []
    for name, what in CLIPS.items():
        source, output, watch = FOOTAGE / "scenes" / name, folder / f"out_{name}", Stopwatch()
        result = sync(source, dub, output, engine=engine, progress=watch, overwrite=True)
        fetched = watch.spent.pop("fetch face_landmarker", None)
        info = probe_video(output)
        rows.append(
            (name, what, f"{result.changed}/{result.frames}", "equal" if times(source) == times(output) else "DIFFER",
             f"{info.codec} {info.pix_fmt}", f"{probe_audio(output).codec} {probe_audio(output).rate}",
             f"{offset_ms(dub, output, folder):.2f}", f"{upper_half_psnr(source, output):.1f}",
             f"{result.frames / watch.spent['analyse']:.0f}", f"{result.frames / watch.spent['render']:.1f}",
             f"{watch.spent['remux']:.1f}")
        )  # fmt: skip
        if fetched is not None:
            print(f"landmarker fetched in {fetched:.1f} s")
        print(*rows[-1], flush=True)
    head = (
        "clip", "what is hard", "frames changed", "times", "picture", "sound", "sound late by, ms",
        "PSNR of the encoding, dB", "analysis, fps", "render, fps", "remux, s",
    )  # fmt: skip
    put(
        "road",
        "## The whole road on real clips\n\n"
        f"`sync` with the small network (image 64, {STEPS} steps, weights by name, so the mouths mean nothing), the face "
        "landmarker fetched into an empty cache at the start of the run. *Times*: presentation times of the output "
        "against the source's, exactly. *PSNR of the encoding*: luma of the uppermost eighth of the frames, where "
        "nothing is painted. Render includes decoding, the network and encoding.\n\n" + table(head, rows),
    )


if __name__ == "__main__":
    main()
