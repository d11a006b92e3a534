"""What training sees in which step, as pure functions of (seed, epoch, index).

Nothing is drawn in the course of a training, so that one that goes on at step 1000 sees what it would have
seen, without reading anything of the steps before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lipdub.errors import DatasetError, OptionError
from lipdub.wording import counted

WINDOW = 5
"""Frames that follow each other in a sample: what the expert and the sequence discriminator look at."""
APART = 25
"""Frames, a second, between the window and the reference: by then the mouth says something else."""
LEAST_FRAMES = WINDOW + 1

_ORDER, _PICK, _LOOK, _SOUND, _ELSEWHERE, _TOLD = range(6)
"""Keep the random numbers of different questions apart."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far samples are changed at random; 0 is not at all.

    The defaults change nothing. `SMALL_SET` is for few speakers, which would be learnt by heart.

    Attributes:
        colour: largest relative change of brightness, contrast and saturation, 0 to 1.
        shift: largest shift of the crop, as a share of the stored margin, 0 to 1.
        scale: likewise, largest change of the crop's size (larger and smaller).
        mirror: share of samples that are mirrored.
        compress: share of samples that go through JPEG, of a quality from 20 to 95.
        blur: share of samples that are made of fewer pixels, down to half as many in a row.
        gain: loudest change of the sound, in dB either way.
        noise: share of samples with white noise in the sound, 10 to 40 dB below the speech.

    Raises:
        OptionError: a value is negative or too large.
    """

    colour: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    mirror: float = 0.0
    compress: float = 0.0
    blur: float = 0.0
    gain: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            largest, value = 60.0 if field.name == "gain" else 1.0, getattr(self, field.name)
            if not 0 <= value <= largest:
                raise OptionError(f"The augmentation {field.name} must be 0 to {largest:g}, not {value}.")


NONE = Augmentation()
SMALL_SET = Augmentation(
    colour=0.3, shift=0.5, scale=0.5, mirror=0.5, compress=0.3, blur=0.3, gain=6, noise=0.3
)
"""Strong enough to be seen at a glance, and no face looks unnatural yet."""


@dataclass(frozen=True, slots=True)
class Look:
    """The changes of one sample, the same for all its pictures; the defaults change nothing.

    Attributes:
        brightness, contrast, saturation: factors.
        dx, dy: shift of the crop's centre, as shares of the margin, −1 to 1.
        scale: by how much the crop grows, as a share of the margin, −1 to 1.
        mirror: left and right change places.
        quality: of JPEG, or 0 for none.
        detail: pixels in a row that are left, as a share.
        gain: of the sound, dB.
        noise: dB below the loudness of the sound; infinite for none.
        noise_seed: draws the noise.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 0.0
    mirror: bool = False
    quality: int = 0
    detail: float = 1.0
    gain: float = 0.0
    noise: float = float("inf")
    noise_seed: int = 0


def order(speakers: Sequence[str], seed: int, epoch: int, balance: float = 1.0) -> NDArray[np.int64]:
    """The clips of an epoch, in the order in which they are seen.

    Args:
        speakers: of each of the n clips.
        seed: of the training.
        epoch: which one.
        balance: a speaker of k clips is seen k**balance times as often as one of a single clip: 1 treats all
            clips alike (each is seen once an epoch), 0 all speakers.

    Returns:
        [n], numbers of clips. A speaker's clips take turns, also where he is seen more or less often than he
        has clips; where he has the right to half a turn, chance decides.
    """
    names, owner, counts = np.unique(np.asarray(speakers), return_inverse=True, return_counts=True)
    draw = _random(seed, epoch, 0, _ORDER)
    if balance == 1.0:
        return draw.permutation(len(speakers))
    share = counts.astype(np.float64) ** balance
    turns = _rounded(len(speakers) * share / share.sum(), draw)
    chosen = [_turns(np.flatnonzero(owner == who), turns[who], draw) for who in range(len(names))]
    return draw.permutation(np.concatenate(chosen))


@dataclass(frozen=True, slots=True)
class Pick:
    """Which frames of a clip a sample is made of: five from `first` on, and another to show the face."""

    first: int
    reference: int


def pick(frames: int, seed: int, epoch: int, index: int) -> Pick:
    """Five frames and a random other one, at least a second away or, in shorter clips, as far as can be.

    Args:
        frames: of the clip.
        seed, epoch, index: of the training, and of the sample in its epoch.

    Raises:
        DatasetError: the clip has fewer than six frames.
    """
    if frames < LEAST_FRAMES:
        raise DatasetError(
            f"A clip has {counted(frames, 'frame')}; leave out those of fewer than {LEAST_FRAMES}."
        )
    draw = _random(seed, epoch, index, _PICK)
    first = int(draw.integers(frames - WINDOW + 1))
    number = np.arange(frames)
    distance = np.maximum(first - number, number - (first + WINDOW - 1))
    far = np.flatnonzero(distance >= min(APART, int(distance.max())))
    return Pick(first, int(draw.choice(far)))


def pick_elsewhere(
    frames: Sequence[int], share: float, seed: int, epoch: int, index: int
) -> tuple[int, int] | None:
    """Where the reference is instead: which of some other clips, and which frame; None if where `pick` says.

    Args:
        frames: of each of the clips; there may be none.
        share: of the samples whose reference is elsewhere, 0 to 1.
        seed, epoch, index: of the sample.
    """
    draw = _random(seed, epoch, index, _ELSEWHERE)
    if draw.random() >= share or not frames:
        return None
    clip = int(draw.integers(len(frames)))
    return clip, int(draw.integers(frames[clip]))


def lips_told(share: float, seed: int, epoch: int, index: int) -> bool:
    """Are the lips of this sample told, as those of a share of all samples are?"""
    return bool(_random(seed, epoch, index, _TOLD).random() < share)


def other_windows(
    frames: int, first: int, count: int, gap: int, seed: int, epoch: int, index: int
) -> list[int]:
    """First frames of other windows of a clip, for sounds that do not fit the one from `first` on.

    Args:
        frames: of the clip.
        first: of the window of the picture.
        count: how many.
        gap: frames they begin earlier or later at least; where the clip is too short for it, as far as can
            be.
        seed, epoch, index: of the training, and of the sample in its epoch.

    Returns:
        `count` of them; none twice where there are enough.

    Raises:
        DatasetError: the clip has fewer than six frames, and so no other window.
    """
    if frames < LEAST_FRAMES:
        raise DatasetError(
            f"A clip has {counted(frames, 'frame')}; leave out those of fewer than {LEAST_FRAMES}."
        )
    distance = np.abs(np.arange(frames - WINDOW + 1) - first)
    far = np.flatnonzero(distance >= min(gap, int(distance.max())))
    draw = _random(seed, epoch, index, _SOUND)
    return [int(k) for k in _turns(far, count, draw)]


def look(augmentation: Augmentation, seed: int, epoch: int, index: int) -> Look:
    """How one sample is changed. All is drawn whatever is off, so that options do not disturb each other."""
    draw = _random(seed, epoch, index, _LOOK)
    brightness, contrast, saturation = (float(1 + augmentation.colour * x) for x in draw.uniform(-1, 1, 3))
    dx, dy, scale = (float(x) for x in draw.uniform(-1, 1, 3))
    mirror, compress, blur, noise = draw.random(4)
    quality, detail = draw.integers(20, 96), draw.uniform(0.5, 1)
    gain, below, noise_seed = draw.uniform(-1, 1), draw.uniform(10, 40), draw.integers(2**31)
    return Look(
        brightness,
        contrast,
        saturation,
        augmentation.shift * dx,
        augmentation.shift * dy,
        augmentation.scale * scale,
        mirror=bool(mirror < augmentation.mirror),
        quality=int(quality) if compress < augmentation.compress else 0,
        detail=float(detail) if blur < augmentation.blur else 1.0,
        gain=float(augmentation.gain * gain),
        noise=float(below) if noise < augmentation.noise else float("inf"),
        noise_seed=int(noise_seed),
    )


def _random(seed: int, epoch: int, index: int, question: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, index, question])))


def _rounded(shares: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.int64]:
    """Whole numbers of the same sum, each rounded up with the probability of its fraction."""
    edges = np.floor(np.concatenate([[0.0], np.cumsum(shares)]) + draw.random()).astype(np.int64)
    edges[-1] = edges[0] + round(shares.sum())
    return np.diff(edges)


def _turns(items: NDArray[np.int64], count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the items in random order, all of them before any of them again."""
    rounds = [draw.permutation(items) for _ in range(-(-count // len(items)))]
    return np.concatenate(rounds)[:count] if rounds else items[:0]
