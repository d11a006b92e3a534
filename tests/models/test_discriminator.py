"""The judge of sequences: its shapes, what it looks at, and that batches do not matter to it."""

import pytest
import torch
from torch import Tensor, nn

from lipdub.models.discriminator import SequencePatchGan, frozen


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def small(layers: int = 3, seed: int = 0) -> SequencePatchGan:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SequencePatchGan(width=4, layers=layers)


@pytest.mark.parametrize(("size", "patches"), [(128, 14), (64, 6), (24, 1)])
def test_shapes(size: int, patches: int) -> None:
    assert small()(drawn(2, 15, size, size)).shape == (2, 1, patches, patches)


def test_default_sizes_are_those_of_pix2pix() -> None:
    convolutions = [layer for layer in SequencePatchGan() if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in convolutions] == [
        (15, 64, 2), (64, 128, 2), (128, 256, 2), (256, 512, 1), (512, 1, 1),
    ]  # fmt: skip
    # 16·15·64 + 16·64·128 + 16·128·256 + 16·256·512 + 16·512, and a bias each
    assert sum(p.numel() for p in SequencePatchGan().parameters()) == 2_776_064 + 961


@pytest.mark.parametrize(("layers", "seen"), [(3, 70), (2, 34), (1, 16)])
def test_a_verdict_sees_a_patch(layers: int, seen: int) -> None:
    images = drawn(1, 15, 128, 128).requires_grad_()
    verdicts = small(layers)(images)
    middle = verdicts.shape[2] // 2
    verdicts[0, 0, middle, middle].backward()
    looked_at = images.grad.abs().sum((0, 1)) > 0
    rows = looked_at.any(1).nonzero().flatten()
    columns = looked_at.any(0).nonzero().flatten()
    assert len(rows) == len(columns) == seen
    assert rows.max() - rows.min() + 1 == seen


def test_it_looks_at_all_five_frames() -> None:
    images = drawn(1, 15, 32, 32).requires_grad_()
    small()(images).sum().backward()
    assert (images.grad.abs().amax((0, 2, 3)) > 0).all()


def test_a_verdict_does_not_depend_on_the_batch() -> None:
    judge, images = small().eval(), drawn(4, 15, 32, 32)
    torch.testing.assert_close(judge(images)[2:3], judge(images[2:3]), rtol=0, atol=1e-6)


def test_every_layer_has_spectral_norm_one() -> None:
    judge, images = small(), drawn(1, 15, 32, 32)
    for _ in range(60):
        judge(images)
    judge.eval()
    for layer in judge:
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
            assert largest.item() == pytest.approx(1, abs=0.02)


def test_its_state_goes_on_where_it_was() -> None:
    judge, other, images = small(), small(seed=1), drawn(1, 15, 32, 32)
    judge(images)
    other.load_state_dict(judge.state_dict())
    assert torch.equal(judge(images), other(images))  # both take the same step of the power iteration
    assert torch.equal(judge(images), other(images))


def test_images_too_small_for_a_patch() -> None:
    with pytest.raises(ValueError, match="16x16 are too small"):
        small()(drawn(1, 15, 16, 16))
    assert small(layers=2)(drawn(1, 15, 16, 16)).shape[2:] == (2, 2)


def test_frozen_lets_gradients_through_but_not_in() -> None:
    judge, images = small(layers=1), drawn(1, 15, 8, 8).requires_grad_()
    with frozen(judge):
        verdicts = judge(images)
    verdicts.sum().backward()
    assert images.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in judge.parameters())
    judge(images).sum().backward()
    assert all(p.grad is not None for p in judge.parameters())


def test_frozen_thaws_after_an_error_and_only_what_it_froze() -> None:
    judge = small(layers=1)
    kept = next(iter(judge.parameters())).requires_grad_(False)
    with pytest.raises(KeyError), frozen(judge):
        raise KeyError
    assert [p is kept for p in judge.parameters() if not p.requires_grad] == [True]
