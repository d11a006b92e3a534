"""Peak memory of a run against the length of the movie, with a copying network and with all libraries in it.

``python memory.py``; it starts itself anew for each movie, since a peak never falls.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from common import FOOTAGE, CopyReference, put, table
from lipdub import sync

CLIP = FOOTAGE / "scenes" / "speaker_2213fps.mp4"
TIMES = (1, 10)


def repeated(source: Path, times: int, target: Path) -> None:
    """The movie's picture several times one after the other, without encoding it anew."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = a.streams.video[0]
        copy = b.add_stream_from_template(stream)
        for number in range(times):
            a.seek(0)
            for packet in a.demux(stream):
                if packet.dts is not None:
                    packet.pts += number * stream.duration
                    packet.dts += number * stream.duration
                    packet.stream = copy
                    b.mux(packet)


def measure(movie: str) -> None:
    dub = FOOTAGE / "speech" / "french_synthetic.wav"
    output = Path(movie).with_suffix(".out.mp4")
    result = sync(movie, dub, output, inpainter=CopyReference(), overwrite=True)
    print(result.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for times in TIMES:
            movie = Path(folder) / f"{times}.mp4"
            repeated(CLIP, times, movie)
            command = [sys.executable, __file__, str(movie)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            frames, peak = done.stdout.split()
            rows.append((frames, f"{float(peak):.0f}"))
    put(
        "memory",
        "## Memory and length\n\nPeak resident memory of a whole run, 700×700, every frame with a face, the network "
        "a stand-in that copies.\n\n" + table(("frames", "peak, MB"), rows),
    )


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
