"""From shards to batches of tensors, by worker processes; begins at any step without reading those before."""

import math
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lipdub.dataset.augmenting import heard, show
from lipdub.dataset.clips import RATE, Clip, Clips
from lipdub.dataset.lips import LIPS
from lipdub.dataset.sampling import (
    LEAST_FRAMES,
    NONE,
    WINDOW,
    Augmentation,
    Look,
    lips_told,
    look,
    order,
    other_windows,
    pick,
    pick_elsewhere,
)
from lipdub.errors import DatasetError, LipdubError
from lipdub.speech.mel import HOP, N_FFT, mel_columns
from lipdub.speech.windows import WINDOW as COLUMNS
from lipdub.speech.windows import window_start
from lipdub.wording import counted

Sample = dict[str, Tensor]
AHEAD = 4
"""Batches each worker has ready: enough for a step that takes longer, now and then, than others."""
KEPT_ORDERS = 2
"""Epochs whose order is remembered: a batch may lie in two."""


@dataclass(frozen=True, slots=True)
class Taking:
    """How samples are taken from clips; with the clips, it says what every sample is.

    Attributes:
        size: side of pictures, in pixels.
        seed: of orders, windows, references and changes.
        balance: see `sampling.order`.
        augmentation: how far samples are changed.
        elsewhere: share of samples whose reference is of another clip of the speaker, if he has one.
        told: share of samples whose lips, where they are known, are told, see `Scenes`.
    """

    size: int = 128
    seed: int = 0
    balance: float = 1.0
    augmentation: Augmentation = NONE
    elsewhere: float = 0.0
    told: float = 0.0


def usable(clips: Clips) -> Clips:
    """The clips themselves; raises `DatasetError` where one is too short, before anything is computed."""
    for clip in clips:
        if clip.frames < LEAST_FRAMES:
            raise DatasetError(
                f"The clip {clip.key} in {clip.shard} has {counted(clip.frames, 'frame')}; "
                f"prepare clips of at least {LEAST_FRAMES}."
            )
    return clips


class Samples(Dataset[Sample]):
    """Samples by their number in an endless stream: epoch = number // n, index = number % n of n clips."""

    def __init__(self, clips: Clips, taking: Taking) -> None:
        self.clips = clips
        self.taking = taking
        self._orders: dict[int, NDArray[np.int64]] = {}

    def __getitem__(self, number: int) -> Sample:
        epoch, index = divmod(number, len(self.clips))
        clip = int(self.order(epoch)[index])
        seen = look(self.taking.augmentation, self.taking.seed, epoch, index)
        return {"clip": torch.tensor(clip), **self.taken(clip, seen, epoch, index)}

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The clips of an epoch, see `sampling.order`."""
        if epoch not in self._orders:
            if len(self._orders) == KEPT_ORDERS:
                self._orders.pop(min(self._orders))
            self._orders[epoch] = order(self.clips.speakers, self.taking.seed, epoch, self.taking.balance)
        return self._orders[epoch]

    def taken(self, clip: int, seen: Look, epoch: int, index: int) -> Sample:
        """One sample of a clip, by its number."""
        raise NotImplementedError


class Scenes(Samples):
    """What Diff2Lip learns from.

    Each sample is a dictionary of

    - `frames` [5, 3, size, size], five frames that follow each other, RGB, −1 to 1,
    - `reference` [3, size, size], another frame of the clip, at least a second away where it can be, or of
      another clip of the speaker,
    - `mels` [5, 80, 16], the mel window of each frame, as the network hears it,
    - `mel` [1, 80, 16], the sound of the five, beginning with the first, as the expert hears it,
    - `lips` [5, LIPS], if any are told, what is measured of the lips in each frame; NaN where it is not told,
    - `clip`, its number.

    Args:
        clips, taking: see `Samples`.
        lips: of each clip, see `dataset.lips.measured_lips`.
    """

    def __init__(self, clips: Clips, taking: Taking, lips: Sequence[NDArray[np.float32] | None] = ()) -> None:
        super().__init__(clips, taking)
        self.lips = lips
        self._own: dict[str, list[int]] = {}
        for number, speaker in enumerate(clips.speakers if taking.elsewhere else ()):
            self._own.setdefault(speaker, []).append(number)

    def taken(self, clip: int, seen: Look, epoch: int, index: int) -> Sample:
        """See the class."""
        own, seed = self.clips[clip], self.taking.seed
        picked = pick(own.frames, seed, epoch, index)
        window = range(picked.first, picked.first + WINDOW)
        shown = [self._shown(own, frame, seen) for frame in window]
        starts = [window_start(Fraction(frame, RATE)) for frame in window]
        mels = torch.from_numpy(mels_of(own, [*starts, expert_start(picked.first)], seen))
        sample = {
            "frames": as_images(shown),
            "reference": as_images([self._reference(clip, picked.reference, seen, epoch, index)])[0],
            "mels": mels[:WINDOW],
            "mel": mels[WINDOW:],
        }
        return sample | ({"lips": self._lips(clip, window, epoch, index)} if self.taking.told else {})

    def _reference(self, clip: int, frame: int, seen: Look, epoch: int, index: int) -> NDArray[np.uint8]:
        """That frame, or, as often as it is to be, any frame of another clip of the speaker."""
        others = [other for other in self._own.get(self.clips[clip].speaker, ()) if other != clip]
        lengths = [self.clips[other].frames for other in others]
        chosen = pick_elsewhere(lengths, self.taking.elsewhere, self.taking.seed, epoch, index)
        if chosen is not None:
            clip, frame = others[chosen[0]], chosen[1]
        return self._shown(self.clips[clip], frame, seen)

    def _lips(self, clip: int, window: range, epoch: int, index: int) -> Tensor:
        measured = self.lips[clip]
        if measured is None or not lips_told(self.taking.told, self.taking.seed, epoch, index):
            return torch.full((WINDOW, LIPS), math.nan)
        return torch.from_numpy(measured[window.start : window.stop].copy())

    def _shown(self, clip: Clip, frame: int, seen: Look) -> NDArray[np.uint8]:
        return show(clip.picture(frame), clip.margin, self.taking.size, seen)


class Pairs(Scenes):
    """What the expert learns from: five frames, their sound, and sounds of other windows of the same clip.

    Each sample is a dictionary of

    - `frames` [5, 3, size, size], RGB, −1 to 1,
    - `mels` [1 + others, 1, 80, 16]: the first belongs to the frames,
    - `clip`, its number.

    Args:
        clips, taking: see `Samples`.
        others: how many sounds that do not belong.
        gap: frames, at least, by which they begin earlier or later.
    """

    def __init__(self, clips: Clips, taking: Taking, others: int, gap: int) -> None:
        super().__init__(clips, taking)
        self.others, self.gap = others, gap

    def taken(self, clip: int, seen: Look, epoch: int, index: int) -> Sample:
        """See the class."""
        own, seed = self.clips[clip], self.taking.seed
        first = pick(own.frames, seed, epoch, index).first
        others = other_windows(own.frames, first, self.others, self.gap, seed, epoch, index)
        mels = mels_of(own, [expert_start(k) for k in (first, *others)], seen)
        return {
            "frames": as_images([self._shown(own, first + k, seen) for k in range(WINDOW)]),
            "mels": torch.from_numpy(mels[:, None]),
        }


def as_images(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """n pictures [H, W, 3] of one size, 0 to 255, as [n, 3, H, W] float32 from −1 to 1."""
    stacked = torch.from_numpy(np.stack(pictures))
    return stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1


def expert_start(first: int) -> int:
    """The column of the spectrogram that five frames begin with.

    The network's own window of a frame begins one frame earlier, hence the frame after.
    """
    return window_start(Fraction(first + 1, RATE))


def mels_of(clip: Clip, starts: Sequence[int], seen: Look) -> NDArray[np.float32]:
    """Windows of the spectrogram of a clip's sound, [n, 80, 16], beginning with the columns `starts`.

    No more of the sound is decoded than they need, in pieces of five frames, which are 16 columns.
    """
    samples = COLUMNS * HOP
    first = max(0, min(starts) * HOP - N_FFT // 2 - 1) // samples
    end = -(-((max(starts) + COLUMNS - 1) * HOP + N_FFT // 2) // samples)
    sound = heard(clip.sound(WINDOW * first, min(WINDOW * end, clip.frames)), seen)
    return np.stack([mel_columns(sound, start - COLUMNS * first, COLUMNS) for start in starts])


class Batches:
    """The numbers of the samples of every step from `step` on, for one of `ranks` processes.

    Step s of all processes together takes samples s·B·ranks … (s + 1)·B·ranks − 1 of the stream; each takes
    its B of them.
    """

    def __init__(self, batch: int, step: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self.batch, self.step, self.rank, self.ranks = batch, step, rank, ranks

    def __iter__(self) -> Iterator[list[int]]:
        step = self.step
        while True:
            first = (step * self.ranks + self.rank) * self.batch
            yield list(range(first, first + self.batch))
            step += 1


def batches_of(
    samples: Samples, batch: int, *, step: int = 0, rank: int = 0, ranks: int = 1, workers: int = 0, pin: bool
) -> Iterator[Sample]:
    """Batches without end, each a dictionary of the samples' tensors with one dimension more in front.

    Args:
        samples: what to take.
        batch: samples a step and process.
        step: which step the first is.
        rank, ranks: this process, and how many there are.
        workers: processes that read; 0 reads in this one.
        pin: in pinned memory, from which a GPU fetches while it computes.

    Raises:
        DatasetError: a shard is damaged, or has changed; as it was raised, whichever process met it.
    """
    loader: DataLoader[Sample | LipdubError] = DataLoader(
        _Telling(samples),
        batch_sampler=Batches(batch, step, rank, ranks),
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=AHEAD if workers else None,
        collate_fn=_collated,
        worker_init_fn=_begin_worker,
    )
    for found in loader:
        if isinstance(found, LipdubError):
            raise found
        yield found


class _Telling(Dataset[Sample | LipdubError]):
    """Samples, or what is wrong with them: what a worker raises would come with its whole traceback."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, number: int) -> Sample | LipdubError:
        try:
            return self._samples[number]
        except LipdubError as exc:
            return exc


def _collated(items: list[Sample | LipdubError]) -> Sample | LipdubError:
    """A batch, or the first error in it."""
    batch: Sample | LipdubError
    batch = next((item for item in items if isinstance(item, LipdubError)), None) or default_collate(items)
    return batch


def _begin_worker(_number: int) -> None:
    """One thread a worker; and Ctrl-C is the main process's to answer, which ends its workers."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
