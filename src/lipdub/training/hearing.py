"""To hear before it paints: the audio encoder learns lips from sound alone, and is made loud enough.

A fresh network is all but deaf. Its audio encoder ends in the mean of a normalised map, nearly the same for
every sound: the style that is added to the time embedding varies by 0.006 from sound to sound, where the
embedding of time varies by 0.1. Hardly any of the gradient that passes is about the sound, and trainings on
small data learn to paint a face that does not listen. Two remedies, both before the first step:
`learn_to_hear` trains the encoder to tell the aperture of the lips, which `lipdub prepare` has measured,
from the mel window; and `make_audible` gives each channel of the style mean 0 and deviation 1 over the
sounds of the data (a data-dependent initialisation: Mishkin & Matas, arXiv 1511.06422).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.dataset.clips import RATE, Clip
from lipdub.dataset.lips import LIPS, measured_lips
from lipdub.errors import DatasetError
from lipdub.models import Diff2Lip
from lipdub.speech.reader import MelReader

BATCH = 64
LOUDER = 0.5
"""Largest change of the level of a mel window, of 8: about 6 dB."""
BRIGHTER = 0.5
"""Likewise of its uppermost band against its middle, and of its lowest the other way: microphones differ."""
SOUNDS = 2048
"""Mel windows of which means and deviations are taken."""


@dataclass(frozen=True)
class Heard:
    """Sounds and lips of some clips, frame by frame.

    Attributes:
        mels: [n, 80, 16], float16.
        lips: [n, 5], see `dataset.lips.measured_lips`.
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
    moving = [
        (clip, each) for clip, each in zip(clips, measured_lips(clips), strict=True) if each is not None
    ]
    if not moving:
        raise DatasetError(
            "No lips move in the clips, from which a network could learn to hear; leave out --hear."
        )
    frames: Counter[str] = Counter()
    for clip, each in moving:
        frames[clip.speaker] += len(each)
    mels = [mels_of_frames(clip).astype(np.float16) for clip, _ in moving]
    shares = np.concatenate(
        [np.full(len(each), float(frames[clip.speaker]) ** (balance - 1)) for clip, each in moving]
    )
    lips = np.concatenate([each for _, each in moving])
    return Heard(np.concatenate(mels), lips, shares / shares.sum())


def mels_of_frames(clip: Clip) -> NDArray[np.float32]:
    """The mel window of each frame of a clip, [n, 80, 16]."""
    return MelReader(clip.sound()).windows([Fraction(k, RATE) for k in range(clip.frames)])


def learn_to_hear(
    network: Diff2Lip,
    heard: Heard,
    steps: int,
    *,
    lr: float = 1e-3,
    half: torch.dtype | None = None,
    seed: int = 7,
    told: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the audio encoder, in place, to tell the aperture of the lips from a mel window.

    Args:
        network: of which what turns sound into a style changes, and nothing else. Parameters that are not to
            be trained learn here, too.
        heard: what it learns from.
        steps: updates of `BATCH` frames; the learning rate falls to 0 in half a cosine.
        lr: the first learning rate.
        half: bfloat16, in which the network then computes, or None for float32.
        seed: of what is drawn.
        told: is told of each step and its loss.
    """
    device, named = next(network.parameters()).device, bool(network.config.lips)
    said = network.before_style if named else network.audio_style
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = nn.Identity() if named else nn.Linear(network.config.embedding_width, LIPS).to(device)
    learning = [network.audio_encoder, network.audio_encoder_to_style]
    kept = [p for each in learning for p in each.parameters() if not p.requires_grad]
    for parameter in kept:
        parameter.requires_grad_()
    optimiser = torch.optim.AdamW([p for each in (*learning, reader) for p in each.parameters()], lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = np.random.default_rng(seed)
    if named:
        _even_out(network.audio_encoder_to_style[-2], network.before_style, heard, draw)
    else:
        make_audible(network, heard, draw)
    for step in range(steps):
        mels, lips = (part.to(device) for part in heard.some(BATCH, draw))
        mels = _elsewhere(mels, draw)
        with torch.autocast(device.type, half, enabled=half is not None):
            found = said(mels)
        loss = F.smooth_l1_loss(reader(found.float()), lips)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        falling.step()
        told(step, loss.item())
    make_audible(network, heard, draw)
    for parameter in kept:
        parameter.requires_grad_(False)
        parameter.grad = None


def _elsewhere(mels: Tensor, draw: np.random.Generator) -> Tensor:
    """Mel windows [B, 80, 16] as another microphone, near or far, might have heard them."""
    shape = (len(mels), 1, 1)
    louder, brighter = (draw.uniform(-most, most, shape) for most in (LOUDER, BRIGHTER))
    bands = np.linspace(-1, 1, mels.shape[1])[:, None]
    change = torch.from_numpy((louder + brighter * bands).astype(np.float32))
    return (mels + change.to(mels)).clamp(-4, 4)


def make_audible(network: Diff2Lip, heard: Heard, draw: np.random.Generator) -> None:
    """Give each channel of the style mean 0 and deviation 1 over the sounds, by its last layer, in place."""
    _even_out(network.audio_encoder_to_style[-1], network.audio_style, heard, draw)


@torch.no_grad()
def _even_out(
    layer: nn.Module, said: Callable[[Tensor], Tensor], heard: Heard, draw: np.random.Generator
) -> None:
    """Give each channel of what a layer says, the last of `said`, mean 0 and deviation 1 over the sounds."""
    mels, _ = heard.some(SOUNDS, draw)
    weight, bias = layer.parameters()
    found = torch.cat([said(part.to(weight.device)) for part in torch.split(mels, BATCH)])
    mean, spread = found.mean(0), found.std(0).clamp_min(1e-6)
    weight.div_(spread[:, None, None, None])
    bias.sub_(mean).div_(spread)
