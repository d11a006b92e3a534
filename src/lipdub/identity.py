"""What decides the pixels of a job, as keys: the content of its inputs, the weights, the options that matter.

Not in the keys: the device and the batch size. So a run that was begun on one graphics card can go on upon
another, or with smaller batches where memory was short, and what is finished is kept; the precision is in
them. The same bits are promised on one class of device only, with one batch size and one set of libraries.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from lipdub.cache import remembered_sha256
from lipdub.engine import Engine
from lipdub.errors import MediaError
from lipdub.media.encoders import ENCODER_THREADS
from lipdub.media.encoding import Encoding
from lipdub.media.probe import VideoInfo
from lipdub.options import SyncOptions
from lipdub.plan import Plan
from lipdub.progress import Progress, Step, silent
from lipdub.segments import Segments


def segments_of(
    movie: VideoInfo,
    encoding: Encoding,
    plan: Plan,
    sounds: Sequence[npt.NDArray[np.int16]],
    engine: Engine,
    options: SyncOptions,
    stop: Fraction | None,
    progress: Progress = silent,
) -> Segments:
    """The segments of a job, which know their keys.

    Args:
        movie: the movie.
        encoding: of the new picture.
        plan: what changes.
        sounds: 16 kHz mono, of what drives the lips: the dub, and the stems of the plan.
        engine: the network.
        options: of the job.
        stop: seconds at which the picture ends early; None if it does not.
        progress: told the bytes of the movie while it is read for the first time.

    Raises:
        MediaError: an input cannot be read.
    """
    return Segments(
        plan=plan,
        sounds=sounds,
        stop=stop,
        picture=_picture(movie, encoding, progress),
        mouths=_mouths(engine, options),
        file_key=lambda name: content_sha256(Path(name)),
    )


def content_sha256(path: Path, progress: Progress = silent) -> str:
    """The SHA-256 of a file's content; a file that has not changed is not read again.

    Args:
        path: the file.
        progress: told the bytes while it is read.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        return remembered_sha256(path, lambda done, total: progress(Step("read", done, total, "bytes")))
    except OSError as exc:
        raise MediaError(f"{path} cannot be read ({exc.strerror}).") from exc


def _picture(movie: VideoInfo, encoding: Encoding, progress: Progress) -> dict[str, Any]:
    return {
        "lipdub": version("lipdub"),
        "libraries": av.library_versions,
        "threads": ENCODER_THREADS,
        "movie": content_sha256(movie.path, progress),
        "stream": movie.index,
        "encoder": encoding.encoder.name,
        "carrier": encoding.encoder.carrier,
        "options": dict(encoding.options),
        "format": (encoding.pix_fmt, encoding.width, encoding.height),
        "colour": asdict(movie.colour),
    }


def _mouths(engine: Engine, options: SyncOptions) -> dict[str, Any]:
    restorers = ("onnxruntime",) if options.restorer and options.restorer_strength else ()
    return {
        # A network of which nothing is known is the same as no other.
        "weights": engine.sha256 or uuid.uuid4().hex,
        "settings": dict(engine.settings) or {"seed": options.seed, "steps": options.sampling_steps},
        "versions": [version(name) for name in ("torch", "numpy", "opencv-python", "librosa", *restorers)],
    }
