"""Small shards made by code: drawn faces whose mouth opens as far as a hummed sound is loud."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SIZE, MARGIN = 80, 1 / 8
RATE, SAMPLES = 25, 640


def openness(frames: int, seed: int) -> NDArray[np.float64]:
    """How far a mouth is open in each frame, 0 to 1: syllables of irregular length, [frames]."""
    rng = np.random.default_rng([seed, 1])
    rate = np.repeat(rng.uniform(2, 5, frames // 5 + 1), 5)[:frames]  # syllables a second
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.cumsum(rate) / RATE + rng.random()))


def hum(opened: NDArray[np.float64], seed: int) -> NDArray[np.int16]:
    """A voice that is as loud as the mouth is open, 16 kHz, [640 · frames]."""
    rng = np.random.default_rng([seed, 2])
    times = np.arange(SAMPLES * len(opened)) / (RATE * SAMPLES)
    loud = np.interp(times * RATE, np.arange(len(opened)), opened)
    pitch = rng.uniform(100, 220)
    voice = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 12))
    noise = rng.standard_normal(len(times)) * 0.01
    return np.asarray((loud * voice / 3 + noise).clip(-1, 1) * 20000, np.int16)


def drawn_face(opened: float, seed: int, size: int = SIZE, margin: float = MARGIN) -> NDArray[np.uint8]:
    """A face that fills the crop, RGB [size, size, 3]; its mouth lies where that of the framing does."""
    rng = np.random.default_rng([seed, 3])
    skin, wall = rng.integers(120, 230, 3), rng.integers(20, 120, 3)
    inner = size / (1 + 2 * margin)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = wall

    def ellipse(x: float, y: float, width: float, height: float, colour: Iterable[Any]) -> None:
        centre = (round(size / 2 + (x - 0.5) * inner), round(size / 2 + (y - 0.5) * inner))
        axes = (max(1, round(width * inner)), max(1, round(height * inner)))
        cv2.ellipse(image, centre, axes, 0, 0, 360, [int(c) for c in colour], -1, cv2.LINE_AA)

    ellipse(0.5, 0.5, 0.45, 0.52, skin)
    for x in (0.29, 0.71):
        ellipse(x, 0.38, 0.07, 0.03, (250, 250, 250))
        ellipse(x, 0.38, 0.03, 0.03, (40, 30, 20))
    ellipse(0.5, 0.76, 0.17, 0.035 + 0.08 * opened, (170, 60, 70))
    ellipse(0.5, 0.76, 0.13, 0.01 + 0.08 * opened, (40, 10, 10))
    return image


def flac(sound: NDArray[np.int16], rate: int = 16_000) -> bytes:
    """A mono sound as a FLAC file."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def clip_files(
    key: str,
    frames: int = 40,
    speaker: str = "anna",
    seed: int = 0,
    size: int = SIZE,
    kind: str = "jpg",
    moving: float = 0.2,
) -> dict[str, bytes]:
    """The files of a clip by their names, in their order."""
    opened = openness(frames, seed)
    meta = {
        "format": 1, "frames": frames, "size": size, "margin": MARGIN, "source": f"{key}.mp4",
        "audio": f"{key}.mp4", "start": 0.0, "speaker": speaker, "shift": 0, "confidence": None,
        "aperture": [round(moving * float(o), 4) for o in opened],
        "yaw": [0.0] * frames, "pitch": [0.0] * frames,
    }  # fmt: skip
    files = {f"{key}.json": json.dumps(meta).encode(), f"{key}.flac": flac(hum(opened, seed))}
    face = sum(speaker.encode())
    for frame in range(frames):
        picture = cv2.cvtColor(drawn_face(opened[frame], face, size), cv2.COLOR_RGB2BGR)
        files[f"{key}.{frame:06d}.{kind}"] = cv2.imencode(f".{kind}", picture)[1].tobytes()
    return files


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    """A tar of files in this order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_shards(
    folder: Path, clips: int = 6, shards: int = 2, speakers: int = 2, frames: int = 40, first: int = 0
) -> Path:
    """A folder of shards of `clips` clips, speakers and shards taking turns; `first` makes them others."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        files: dict[str, bytes] = {}
        for number in range(shard, clips, shards):
            seed = first + number
            files |= clip_files(f"clip{seed:04d}", frames, f"speaker{seed % speakers}", seed)
        write_tar(folder / f"shard-{shard:06d}.tar", files)
    return folder
