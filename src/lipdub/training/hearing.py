"""To hear before it paints: the audio encoder learns lips from sound alone, and is made loud enough.

A fresh network is all but deaf. Its audio encoder ends in the mean of a normalised map, nearly the same for
every sound: the style that is added to the time embedding varies by 0.006 from sound to sound, where the
embedding of time varies by 0.1. Hardly any of the gradient that passes is about the sound, and trainings on
small data learn to paint a face that does not listen. Two remedies, both before the first step:
`learn_to_hear` trains the encoder to tell the aperture of the lips, which `lipdub prepare` has measured,
from the mel window; and `make_audible` gives each channel of the style mean 0 and deviation 1 over the
sounds of the data (a data-dependent initialisation: Mishkin & Matas, arXiv 1511.06422).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.dataset.clips import RATE, Clip
from lipdub.errors import DatasetError
from lipdub.models import Diff2Lip
from lipdub.speech.reader import MelReader

REACH = 2
"""Frames to either side whose apertures are told, too: a mouth that opens is not one that closes."""
BATCH = 64
LOUDER = 0.5
"""Largest change of the level of a mel window, of 8: about 6 dB."""
BRIGHTER = 0.5
"""Likewise of its uppermost band against its middle, and of its lowest the other way: microphones differ."""
STEADY = 0.005
"""A person whose aperture varies less does not speak."""
SOUNDS = 2048
"""Mel windows of which means and deviations are taken."""


@dataclass(frozen=True)
class Heard:
    """Sounds and lips of some clips, frame by frame.

    Attributes:
        mels: [n, 80, 16], float16.
        lips: [n, 5], apertures of the frames around each, less the clip's mean, over the speaker's
            deviation.
        chances: [n], how likely a frame is to be taken; they sum to 1.
    """

    mels: NDArray[np.float16]
    lips: NDArray[np.float32]
    chances: NDArray[np.float64]

    def some(self, count: int, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`count` frames, at random: mel windows [count, 80, 16] and apertures [count, 5]."""
        chosen = draw.choice(len(self.lips), count, p=self.chances)
        return torch.from_numpy(self.mels[chosen].astype(np.float32)), torch.from_numpy(self.lips[chosen])


def listen(clips: Sequence[Clip], balance: float) -> Heard:
    """Gather sounds and lips; clips in which no lips move are left out.

    Args:
        clips: from shards that `lipdub prepare` made.
        balance: a speaker is heard in proportion to his number of frames to this power.

    Raises:
        DatasetError: there are no others.
    """
    speakers: dict[str, list[tuple[NDArray[np.float16], NDArray[np.float64]]]] = {}
    for clip in clips:
        aperture = np.asarray(clip.meta["aperture"], np.float64)[: clip.frames]
        known = np.isfinite(aperture)
        if known.sum() <= 2 * REACH:
            continue
        aperture = np.interp(np.arange(len(aperture)), np.flatnonzero(known), aperture[known])
        windows = MelReader(clip.sound()).windows([Fraction(k, RATE) for k in range(clip.frames)])
        speakers.setdefault(clip.speaker, []).append((windows.astype(np.float16), aperture - aperture.mean()))
    return _evened(speakers, balance)


def _evened(
    speakers: Mapping[str, list[tuple[NDArray[np.float16], NDArray[np.float64]]]], balance: float
) -> Heard:
    """Of mel windows and apertures, clip by clip, by speaker."""
    mels, lips, chances = [], [], []
    for own in speakers.values():
        spread = float(np.concatenate([aperture for _, aperture in own]).std())
        if spread < STEADY:
            continue
        frames = sum(len(aperture) for _, aperture in own)
        for windows, aperture in own:
            around = np.pad(aperture / spread, REACH, mode="edge")
            mels.append(windows)
            lips.append(np.lib.stride_tricks.sliding_window_view(around, 2 * REACH + 1).astype(np.float32))
            chances.append(np.full(len(aperture), frames ** (balance - 1)))
    if not mels:
        raise DatasetError(
            "No lips move in the clips, from which a network could learn to hear; leave out --hear."
        )
    shares = np.concatenate(chances)
    return Heard(np.concatenate(mels), np.concatenate(lips), shares / shares.sum())


def learn_to_hear(
    network: Diff2Lip,
    heard: Heard,
    steps: int,
    *,
    lr: float = 1e-3,
    half: torch.dtype | None = None,
    seed: int = 7,
    told: Callable[[int, float], None] = lambda step, loss: None,
) -> nn.Linear:
    """Train the audio encoder, in place, to tell the aperture of the lips from a mel window.

    Args:
        network: of which nothing else changes. Parameters that are not to be trained learn here, too.
        heard: what it learns from.
        steps: updates of `BATCH` frames; the learning rate falls to 0 in half a cosine.
        lr: the first learning rate.
        half: bfloat16, in which the network then computes, or None for float32.
        seed: of what is drawn.
        told: is told of each step and its loss.

    Returns:
        What reads the apertures [B, 5] off the style; of no use any more but to judge what was learnt.
    """
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = nn.Linear(network.config.embedding_width, 2 * REACH + 1).to(device)
    learning = [network.audio_encoder, network.audio_encoder_to_style]
    kept = [p for each in learning for p in each.parameters() if not p.requires_grad]
    for parameter in kept:
        parameter.requires_grad_()
    optimiser = torch.optim.AdamW([p for each in (*learning, reader) for p in each.parameters()], lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = np.random.default_rng(seed)
    make_audible(network, heard, draw)
    for step in range(steps):
        mels, lips = (part.to(device) for part in heard.some(BATCH, draw))
        mels = _elsewhere(mels, draw)
        with torch.autocast(device.type, half, enabled=half is not None):
            style = network.audio_style(mels)
        loss = F.smooth_l1_loss(reader(style.float()), lips)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        falling.step()
        told(step, loss.item())
    make_audible(network, heard, draw)
    for parameter in kept:
        parameter.requires_grad_(False)
        parameter.grad = None
    return reader


def _elsewhere(mels: Tensor, draw: np.random.Generator) -> Tensor:
    """Mel windows [B, 80, 16] as another microphone, near or far, might have heard them."""
    shape = (len(mels), 1, 1)
    louder, brighter = (draw.uniform(-most, most, shape) for most in (LOUDER, BRIGHTER))
    bands = np.linspace(-1, 1, mels.shape[1])[:, None]
    change = torch.from_numpy((louder + brighter * bands).astype(np.float32))
    return (mels + change.to(mels)).clamp(-4, 4)


@torch.no_grad()
def make_audible(network: Diff2Lip, heard: Heard, draw: np.random.Generator) -> None:
    """Give each channel of the style mean 0 and deviation 1 over the sounds, by its last layer, in place."""
    mels, _ = heard.some(SOUNDS, draw)
    device = next(network.parameters()).device
    style = torch.cat([network.audio_style(part.to(device)) for part in torch.split(mels, BATCH)])
    mean, spread = style.mean(0), style.std(0).clamp_min(1e-6)
    weight, bias = network.audio_encoder_to_style[-1].parameters()
    weight.div_(spread[:, None, None, None])
    bias.sub_(mean).div_(spread)
