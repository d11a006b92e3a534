"""Peak memory of a run against the length of the movie: made 1080p footage of 10, 100 and 1,000 s.

A face (the first frame of a real clip) moves about in a picture of 1920×1080, 25 frames a second. The network is a
stand-in that copies: its own memory does not depend on the movie. The whole road is measured with a mouth in every
frame; the longest movies with a plan for a mouth in every tenth, without which a run takes an hour here.
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
from lipdub.plan import Plan, edits_at

CLIP = FOOTAGE / "scenes" / "speaker_2213fps.mp4"
RUNS = (("whole", 10), ("whole", 100), ("plan", 10), ("plan", 100), ("plan", 1000))
EVERY = 10
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


def planned(movie: str) -> Plan:
    """A mouth in every tenth frame."""
    info = probe_video(movie)
    pts = [number * round(1 / (RATE * info.time_base)) for number in range(0, info.frames, EVERY)]
    edits = edits_at(pts, (700, 300, 250, 318, 0))
    return Plan(info.path.name, SIZE, info.time_base, info.origin, (), edits)


def measure(kind: str, movie: str, dub: str) -> None:
    """One run; its frames, peak in MB (of this process since it began) and seconds."""
    began = time.monotonic()
    plan = planned(movie) if kind == "plan" else None
    output = Path(movie).with_suffix(".out.mp4")
    result = sync(movie, dub, output, plan=plan, inpainter=CopyReference(), overwrite=True)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # noqa: PTH123, SIM115
    print(result.frames, result.changed, int(peak.split()[1]) / 1024, time.monotonic() - began)


def main() -> None:
    rows, before = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, seconds in RUNS:
            movie, dub = Path(folder) / f"{seconds}.mp4", Path(folder) / f"{seconds}.wav"
            if not movie.exists():
                made(movie, seconds)
                silence(dub, seconds)
            done = subprocess.run(
                [sys.executable, __file__, kind, str(movie), str(dub)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=os.environ | {"LIPDUB_CACHE": folder},
            )
            frames, changed, peak, spent = done.stdout.split()
            growth = f"{100 * (float(peak) / before[kind] - 1):+.1f} %" if kind in before else ""
            before[kind] = float(peak)
            rows.append((kind, seconds, frames, changed, f"{float(peak):.0f}", growth, f"{float(spent):.0f}"))
            print(rows[-1], flush=True)
    head = (
        "run",
        "seconds of movie",
        "frames",
        "with a new mouth",
        "peak, MB",
        "against a tenth of it",
        "took, s",
    )
    put(
        "memory",
        "## Memory and length\n\nPeak resident memory (`VmHWM`) of runs over made footage, 1920×1080 at 25 frames a second, "
        "the network a stand-in that copies, all libraries loaded. *Whole*: analysis, rendering with a mouth in every "
        "frame, putting together. *Plan*: a plan with a mouth in every tenth frame, so no analysis.\n\n"
        + table(head, rows),
    )


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
