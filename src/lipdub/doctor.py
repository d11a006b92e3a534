"""What works on this machine, what is missing, and how to get it."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from lipdub import weights
from lipdub.errors import LipdubError

OPENCV_PACKAGES = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        ok: it works.
        essential: without it nothing works.
        detail: what was found, or what is wrong and what to do.
    """

    what: str
    ok: bool
    essential: bool
    detail: str


def examine() -> list[Finding]:
    """Look at everything lipdub needs."""
    findings = [_examined(what, essential, look) for what, essential, look in _CHECKS]
    return findings + [_weights(name) for name in weights.load_catalogue()]


def _examined(what: str, essential: bool, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, essential, look())
    except Exception as exc:  # whatever keeps a part from working is the finding
        return Finding(what, False, essential, f"{exc}" or type(exc).__name__)


def _python() -> str:
    return f"{platform.python_version()} ({sys.executable})"


def _torch() -> str:
    import torch

    return torch.__version__


def _devices() -> str:
    import torch

    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    if not found:
        raise LipdubError("no GPU; a CPU works, but takes about a second for each step of each frame.")
    return ", ".join(found)


def _pyav() -> str:
    import av

    from lipdub.media.encoders import ENCODERS

    missing = [e.name for e in ENCODERS.values() if e.name not in av.codecs_available]
    lacking = f"; without {', '.join(missing)}" if missing else ""
    return f"{av.__version__}{lacking}"


def _ffmpeg() -> str:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    done = subprocess.run([program, "-version"], capture_output=True, check=True, text=True)
    return f"{done.stdout.split(maxsplit=3)[2]} ({program})"


def _mediapipe() -> str:
    from mediapipe.tasks.python import vision

    assert vision.FaceLandmarker
    return importlib.metadata.version("mediapipe")


def _opencv() -> str:
    import cv2

    versions = {}
    for package in OPENCV_PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if len(set(versions.values())) > 1:
        both = ", ".join(f"{name} {version}" for name, version in versions.items())
        raise LipdubError(f"{both} overwrite each other's files; install one version of all of them.")
    return str(cv2.__version__)


def _librosa() -> str:
    import librosa

    return str(librosa.__version__)  # type: ignore[attr-defined]


def _cache() -> str:
    folder = weights.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise LipdubError(f"{folder} is not writable; set LIPDUB_CACHE to a folder that is.")
    return f"{folder} ({shutil.disk_usage(folder).free / 1e9:.0f} GB free)"


def _weights(name: str) -> Finding:
    try:
        found = weights.verify(name)
    except LipdubError as exc:
        return Finding(f"weights {name}", False, False, str(exc))
    ok = found.state in {"provided", "bundled", "cached"}
    return Finding(f"weights {name}", ok, False, str(found.path) if ok else _what_to_do(found))


def _what_to_do(found: weights.Status) -> str:
    """About a file of weights that is missing or damaged."""
    entry = weights.load_catalogue()[found.name]
    if found.inside:
        return f"{found.path} is {found.state}; reinstall lipdub."
    if found.state == "damaged":
        return f"{found.path} is damaged; delete it."
    size = (entry.size or entry.size_about or 0) / 1e6
    what = f"not here yet ({size:.3g} MB, {entry.licence})"
    how = f"{what}; fetched when needed, or by: lipdub fetch-weights {found.name}"
    of = "" if entry.command == "sync" else f" for {entry.command}"
    optional = f" (optional{of}; without it, {entry.without})" if entry.without else ""
    return how + optional


_CHECKS: tuple[tuple[str, bool, Callable[[], str]], ...] = (
    ("Python", True, _python),
    ("torch", True, _torch),
    ("GPU", False, _devices),
    ("PyAV", True, _pyav),
    ("ffmpeg", True, _ffmpeg),
    ("mediapipe", True, _mediapipe),
    ("OpenCV", True, _opencv),
    ("librosa", True, _librosa),
    ("cache", True, _cache),
)
