"""Peak memory of a run against the length of the movie: made 1080p footage of 10, 100 and 1,000 s.

A face (the first frame of a real clip) moves about in a picture of 1920×1080, 25 frames a second, so that every frame
is looked at, painted and encoded. The network is a stand-in that copies: its own memory does not depend on the movie.
``python memory.py``; it starts itself anew for each movie, since a peak never falls.
"""

import os
import subprocess
import sys
import tempfile
import time
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from common import FOOTAGE, CopyReference, put, table
from lipdub import sync
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video

CLIP = FOOTAGE / "scenes" / "speaker_2213fps.mp4"
SECONDS = (10, 100, 1000)
SIZE = (1920, 1080)
RATE = 25


def made(path: Path, seconds: int) -> None:
    """The footage: a portrait that sways in front of a grey wall."""
    info = probe_video(CLIP)
    face = upright_image(next(read_frames(info)), info)
    image = np.full((SIZE[1], SIZE[0], 3), 96, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(seconds * RATE):
            left = round(600 + 300 * np.sin(number / 40))
            image[:] = 96
            image[200 : 200 + face.shape[0], left : left + face.shape[1]] = face
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def silence(path: Path, seconds: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        for _ in range(seconds):
            file.writeframes(bytes(4 * 48_000))


def measure(movie: str, dub: str) -> None:
    """One run; its frames, peak in MB (of this process since it began) and seconds."""
    began = time.monotonic()
    result = sync(movie, dub, Path(movie).with_suffix(".out.mp4"), inpainter=CopyReference(), overwrite=True)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # noqa: PTH123, SIM115
    print(result.frames, result.changed, int(peak.split()[1]) / 1024, time.monotonic() - began)


def main() -> None:
    rows, first = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seconds in SECONDS:
            movie, dub = Path(folder) / f"{seconds}.mp4", Path(folder) / f"{seconds}.wav"
            made(movie, seconds)
            silence(dub, seconds)
            done = subprocess.run(
                [sys.executable, __file__, str(movie), str(dub)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=os.environ | {"LIPDUB_CACHE": folder},
            )
            frames, changed, peak, spent = done.stdout.split()
            first = first or float(peak)
            growth = f"{100 * (float(peak) / first - 1):+.1f} %"
            rows.append((seconds, frames, changed, f"{float(peak):.0f}", growth, f"{float(spent):.0f}"))
            print(rows[-1], flush=True)
            movie.unlink()
    head = ("seconds of movie", "frames", "with a new mouth", "peak, MB", "against the first", "run took, s")
    put(
        "memory",
        "## Memory and length\n\nPeak resident memory of a whole run (`VmHWM`: analysis, rendering, putting together) of "
        "made footage, 1920×1080 at 25 frames a second, a face in every frame, the network a stand-in that copies, all "
        "libraries loaded.\n\n" + table(head, rows),
    )


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
