"""Every term of the loss: by hand, against other libraries, by property, and its gradient."""

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F

from lipdub.diffusion.corruption import Corrupted, corrupt
from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.training import losses


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def corrupted(t: list[int], size: int = 4) -> Corrupted:
    image, noise, fill = (drawn(len(t), 3, size, size, seed=seed) for seed in range(3))
    return corrupt(image, torch.tensor(t), noise, fill)


def expert_saying(v: list[list[float]], s: list[list[float]]) -> losses.Expert:
    return lambda _faces, _mel: (torch.tensor(v), torch.tensor(s))


MEL = torch.zeros(1, 1, 80, 16)


def test_squared_errors_by_hand_and_only_below() -> None:
    eps, noise = torch.zeros(2, 3, 4, 2), torch.zeros(2, 3, 4, 2)
    eps[:, :, :2] = 100.0  # above: not looked at
    eps[0, 0, 2, 0], noise[0, 0, 2, 0] = 2.0, -1.0  # 9 in one of 12 values
    noise[1, :, 2:] = 0.5
    for term in (losses.l_simple, losses.l2):
        assert term(eps, noise).tolist() == [0.75, 0.25]


def test_estimate_is_exact_for_the_true_noise_and_always_exact_above() -> None:
    seen = corrupted([0, 40, 500, 960, 999])
    torch.testing.assert_close(losses.estimate(seen, seen.noise), seen.clean, rtol=0, atol=1e-12)
    wrong = losses.estimate(seen, seen.noise + 1)
    assert torch.equal(wrong[:, :, :2], seen.clean[:, :, :2])
    assert not torch.isclose(wrong[:, :, 2:], seen.clean[:, :, 2:]).any()


def test_l2_is_l_simple_by_the_ratio_of_noise_to_signal() -> None:
    steps = [0, 100, 258, 750, 999]
    seen, eps = corrupted(steps), drawn(5, 3, 4, 4, seed=7)
    ratio = losses.l2(losses.estimate(seen, eps), seen.clean) / losses.l_simple(eps, seen.noise)
    a = torch.from_numpy(alphas_cumprod())
    torch.testing.assert_close(ratio, ((1 - a) / a)[steps], rtol=1e-9, atol=0)
    # the figures in the docstring of l2
    assert ratio[2].item() == pytest.approx(1, abs=1e-3)
    assert ratio[4].item() == pytest.approx(24_777, abs=0.5)
    assert ((1 - a) / a).mean().item() == pytest.approx(1311, abs=0.5)


def test_the_mouth_counts_more_than_the_rest_and_all_pixels_as_much_as_before() -> None:
    counts = losses.about_mouth(torch.zeros(1, 3, 64, 128), 12)
    assert counts.shape == (64, 128)
    assert counts.mean().item() == pytest.approx(1)
    assert np.unravel_index(int(counts.argmax()), counts.shape) in [(34, 63), (34, 64)]  # row 98.5 of 128
    assert (counts.max() / counts.min()).item() == pytest.approx(12, rel=0.01)
    torch.testing.assert_close(counts, counts.flip(1))


@pytest.mark.parametrize(("row", "more"), [(98, True), (70, False)])
def test_what_is_wrong_at_the_mouth_counts_more(row: int, more: bool) -> None:
    clean, frames = torch.zeros(2, 3, 128, 128), torch.zeros(2, 3, 128, 128)
    frames[1, :, row - 2 : row + 2, 60:68] = 1
    alike, weighted = losses.l2(frames, clean), losses.l2(frames, clean, mouth=12)
    assert weighted[0].item() == alike[0].item() == 0
    assert (weighted[1] > alike[1]).item() == more


def test_sequences_put_frames_one_after_the_other() -> None:
    frames = torch.arange(10 * 3.0).reshape(10, 3, 1, 1)
    assert losses.sequences(frames).flatten(1).tolist() == [list(range(15)), list(range(15, 30))]
    with pytest.raises(ValueError, match="9 frames are not sequences of 5"):
        losses.sequences(frames[:9])


def test_lips_are_lower_halves_in_blue_green_red_frame_by_frame() -> None:
    frames = torch.full((5, 3, 8, 8), float("nan"))
    for k in range(5):
        for channel in range(3):
            frames[k, channel, 4:] = -1 + 0.1 * (3 * k + channel)
    lips = losses.lips_for_expert(frames)
    assert lips.shape == (1, 15, 48, 96)
    expected = [0.05 * (3 * k + channel) for k in range(5) for channel in (2, 1, 0)]
    torch.testing.assert_close(lips.amax((0, 2, 3)), torch.tensor(expected), rtol=0, atol=1e-6)
    torch.testing.assert_close(lips.amin((0, 2, 3)), torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [16, 128])
def test_lips_are_resized_as_opencv_does(size: int) -> None:
    frames = drawn(5, 3, size, size, dtype=torch.float32).clamp(-1, 1)
    lips = losses.lips_for_expert(frames)[0].unflatten(0, (5, 3))
    for frame, seen in zip(frames, lips, strict=True):
        bgr = np.ascontiguousarray(frame.permute(1, 2, 0).numpy()[size // 2 :, :, ::-1])
        expected = cv2.resize((bgr + 1) / 2, (96, 48), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("v", "s", "expected"),
    [
        ([3, 4], [4, 3], -math.log(24 / 25)),
        ([0.5, 0], [7, 7], math.log(2) / 2),
        ([1, 2], [2, 4], 0),
        ([1, 0], [0, 1], -math.log(1e-7)),
        ([0, 0], [0, 1], -math.log(1e-7)),
    ],
)
def test_sync_by_hand(v: list[float], s: list[float], expected: float) -> None:
    value = losses.l_sync(
        drawn(5, 3, 4, 4), MEL, expert_saying([[float(x) for x in v]], [[float(x) for x in s]])
    )
    assert value.tolist() == [pytest.approx(expected, abs=1e-6)]


def test_sync_is_binary_cross_entropy() -> None:
    v, s = drawn(6, 32).abs(), drawn(6, 32, seed=1).abs()
    values = losses.l_sync(drawn(30, 3, 4, 4), MEL.expand(6, -1, -1, -1), lambda *_: (v, s))
    probability = (F.normalize(v) * F.normalize(s)).sum(1)
    expected = F.binary_cross_entropy(probability, torch.ones(6, dtype=v.dtype), reduction="none")
    torch.testing.assert_close(values, expected)


def test_sync_keeps_apart_what_half_types_would_not() -> None:
    v = torch.tensor([[1.0, 0.0]], dtype=torch.bfloat16)
    s = torch.tensor([[1.0, 0.03125]], dtype=torch.bfloat16)  # cosine 0.99951, in bfloat16 1
    value = losses.l_sync(drawn(5, 3, 4, 4), MEL, lambda *_: (v, s))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0.5 * math.log(1 + 0.03125**2), rel=1e-3)


def test_sync_shows_the_expert_the_sound_it_was_given() -> None:
    mel, heard = drawn(2, 1, 80, 16), []

    def expert(lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        heard.append(sound)
        return lips.flatten(1)[:, :4], lips.flatten(1)[:, :4]

    assert losses.l_sync(drawn(10, 3, 4, 4), mel, expert).shape == (2,)
    assert heard[0] is mel


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 1, 1, 1)])
def test_lpips_is_what_the_network_says(shape: tuple[int, ...]) -> None:
    frames, clean = drawn(2, 3, 4, 4), drawn(2, 3, 4, 4, seed=1)
    values = losses.l_lpips(frames, clean, lambda a, b: (a - b).abs().mean((1, 2, 3)).reshape(shape))
    torch.testing.assert_close(values, (frames - clean).abs().mean((1, 2, 3)))


def test_gan_by_hand() -> None:
    real, fake = torch.full((5, 3, 2, 2), 0.25), torch.full((5, 3, 2, 2), -0.5)

    def judge(images: Tensor) -> Tensor:
        return images[:, :1] * torch.tensor([[1.0, 8.0], [1.0, 8.0]])

    # D(real) = 0.25, 2 and D(fake) = -0.5, -4, each in half of the patches
    assert losses.l_gan(fake, judge).tolist() == [2.25]
    assert losses.l_judge(fake, real, judge).tolist() == [(0.75 + 0) / 2 + (0.5 + 0) / 2]


def test_the_judge_learns_nothing_beyond_the_margin_and_teaches_the_frames_nothing() -> None:
    offset = torch.zeros((), requires_grad=True)
    frames = torch.full((5, 3, 2, 2), -3.0, requires_grad=True)

    def judge(images: Tensor) -> Tensor:
        return images[:, :1] + offset

    losses.l_judge(frames, torch.full((5, 3, 2, 2), 3.0), judge).sum().backward()
    assert offset.grad.item() == 0
    assert frames.grad is None
    losses.l_judge(frames + 2.5, torch.full((5, 3, 2, 2), 3.0), judge).sum().backward()
    assert offset.grad.item() == 1  # only the fake is inside the margin: it shall sink


def test_the_generator_is_pushed_alike_however_sure_the_judge_is() -> None:
    pushes = []
    for sureness in (0.0, -50.0):
        frames = drawn(5, 3, 2, 2).requires_grad_()
        losses.l_gan(frames, lambda x, b=sureness: x[:, :1] + b).sum().backward()
        pushes.append(frames.grad)
    assert torch.equal(*pushes)
    assert pushes[0].abs().sum() > 0


def smooth_expert(lips: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
    """A small one with all its derivatives and no negative entries."""
    seen = F.adaptive_avg_pool2d(lips, (2, 2)).flatten(1) @ drawn(60, 4, seed=11)
    return F.softplus(seen), F.softplus(mel.flatten(1) @ drawn(1280, 4, seed=12) / 36)


def smooth_judge(images: Tensor) -> Tensor:
    return F.conv2d(images, drawn(1, 15, 2, 2, seed=13)).tanh() * 0.9  # inside the margin: no kink


def test_gradients() -> None:
    seen, mel = corrupted([3, 100, 200, 300, 400]), drawn(1, 1, 80, 16, seed=3)
    eps = drawn(5, 3, 4, 4, seed=4).requires_grad_()
    terms = [
        lambda e: losses.l_simple(e, seen.noise),
        lambda e: losses.l2(losses.estimate(seen, e), seen.clean),
        lambda e: losses.l_sync(losses.estimate(seen, e), mel, smooth_expert),
        lambda e: losses.l_lpips(
            losses.estimate(seen, e), seen.clean, lambda a, b: (a - b).tanh()[:, 0, 3, 0]
        ),
        lambda e: losses.l_gan(losses.estimate(seen, e), smooth_judge),
    ]
    for term in terms:
        assert gradcheck(term, (eps,))
    weight = drawn(1, 15, 2, 2, seed=13).requires_grad_()
    assert gradcheck(
        lambda w: losses.l_judge(eps.detach(), seen.clean, lambda x: 0.9 * F.conv2d(x, w).tanh()), (weight,)
    )


def test_no_term_has_a_gradient_in_the_upper_half() -> None:
    seen, mel = corrupted([3, 100, 200, 300, 400]), drawn(1, 1, 80, 16, seed=3)
    eps = drawn(5, 3, 4, 4, seed=4).requires_grad_()
    frames = losses.estimate(seen, eps)
    everything = (
        losses.l_simple(eps, seen.noise).sum() + losses.l2(frames, seen.clean).sum()
        + losses.l_sync(frames, mel, smooth_expert).sum() + losses.l_gan(frames, smooth_judge).sum()
    )  # fmt: skip
    everything.backward()
    assert not eps.grad[:, :, :2].any()
    assert eps.grad[:, :, 2:].all()
