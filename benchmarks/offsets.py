"""Where clicks in the dub are heard after the remux, by two decoders, for every kind of dub and container.

``PYTHONPATH=. python benchmarks/offsets.py``; a dub's name, or a part of it, as an argument prints only that.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from common import ROOT, put, table
from lipdub.media.probe_sound import probe_audio

sys.path.insert(0, str(ROOT))

from tests.support.dubs import (
    CONTAINERS,
    KINDS,
    TIMES,
    Kind,
    Pictures,
    heard,
    heard_by_ffmpeg,
    make,
    pictures,
    put_under,
    time_zero,
)

OFFSETS = (Fraction(0), Fraction(617, 5000), Fraction(-617, 5000))
"""None, and 123.4 ms, which is a whole number of nobody's ticks."""


def worst(kind: Kind, shown: Pictures, suffix: str, offset: Fraction, folder: Path) -> str:
    """Samples of the dub by which the worst click is late, by either decoder, and how the dub travelled."""
    dub = probe_audio(make(kind, folder / f"dub{kind.suffix}", seconds=1.3))
    times = heard(dub.path, TIMES, dub.origin)
    output = folder / f"out{suffix}"
    choice = put_under(shown[suffix], dub, output, offset)
    moved = times + float(offset)
    late = [read(output, moved, time_zero(output)) - moved for read in (heard, heard_by_ffmpeg)]
    samples = np.concatenate(late) * dub.rate
    how = "copied" if choice.codec == "copy" else choice.codec
    return f"{samples[np.abs(samples).argmax()] + 0.0:.2f} {how}"


def measure(offset: Fraction, shown: Pictures, folder: Path, only: str = "") -> str:
    rows = []
    for name, kind in KINDS.items():
        if only in name:
            cells = [worst(kind, shown, suffix, offset, folder) for suffix in CONTAINERS]
            rows.append((name, *cells))
            print(*rows[-1], sep=" | ", flush=True)
    return table(("dub", *CONTAINERS), rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = pictures(folder)
        tables = [measure(offset, shown, folder, *sys.argv[1:2]) for offset in OFFSETS]
    if len(sys.argv) > 1:
        return
    heads = [f"`--audio-offset {float(offset):g}`" for offset in OFFSETS]
    parts = "\n\n".join(f"{head}\n\n{body}" for head, body in zip(heads, tables, strict=True))
    put(
        "offsets",
        "## Clicks in the dub, after the remux\n\nSamples (of the dub's rate) by which the worst of three clicks "
        "comes late, against where a player of the dub hears it, by PyAV's decoders or by ffmpeg's, whichever is "
        "worse; and how the dub travelled.\n\n" + parts,
    )


if __name__ == "__main__":
    main()
