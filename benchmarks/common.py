"""What the benchmarks share: the footage, a copying network, and the page the tables go to."""

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
FOOTAGE = ROOT.parent / "shared" / "footage"
PAGE = ROOT / "benchmarks" / "README.md"


class CopyReference:
    """A stand-in for the network that returns its reference's lower half."""

    size = 128
    batch_size = 8

    def __call__(
        self,
        images: npt.NDArray[np.float32],
        references: npt.NDArray[np.float32],
        mels: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.float32]:
        half = images.shape[1] // 2
        return np.concatenate([images[:, :half], references[:, half:]], axis=1)


class Silence:
    """A dub without sound."""

    def windows(self, times: Sequence[object], sounds: Sequence[int]) -> npt.NDArray[np.float32]:
        return np.full((len(times), 80, 16), -4, np.float32)


def psnr(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic], peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB; infinite where equal."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(peak**2 / error)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def put(section: str, text: str) -> None:
    """Replace one section of the benchmark page by fresh text, with the day of the run."""
    begin, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    body = (
        f"{begin}\n{text}\n\nRun on {time.strftime('%Y-%m-%d')} by `python benchmarks/{section}.py`.\n{end}"
    )
    page = PAGE.read_text(encoding="utf-8")
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    page = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: body, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")
    print(text)
