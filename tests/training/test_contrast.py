"""The expert's loss by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from lipdub.training.contrast import (
    EPSILON,
    TEMPERATURE,
    agree,
    choose,
    contrast,
    contrastive_loss,
    cosines_across,
    cosines_within,
    differ,
)


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn.abs(), dim=-1)


def test_cosines_are_those_of_each_pair():
    faces, sounds = units(3, 8), units(3, 5, 8, seed=1)
    within, across = cosines_within(faces, sounds), cosines_across(faces, sounds[:, 0])
    for b in range(3):
        for k in range(5):
            assert within[b, k] == pytest.approx(float(faces[b] @ sounds[b, k]))
        for other in range(3):
            assert across[b, other] == pytest.approx(float(faces[b] @ sounds[other, 0]))


def test_agree_and_differ_are_binary_cross_entropy_and_always_have_a_gradient():
    cosines = torch.linspace(0, 1, 11, dtype=torch.float64, requires_grad=True)
    squeezed = EPSILON + (1 - 2 * EPSILON) * cosines
    for term, target in ((agree, 1.0), (differ, 0.0)):
        expected = F.binary_cross_entropy(squeezed, torch.full_like(squeezed, target), reduction="none")
        torch.testing.assert_close(term(cosines), expected)
        (gradient,) = torch.autograd.grad(term(cosines).sum(), cosines)
        assert torch.isfinite(gradient).all()
        assert (gradient.sign() == (-1 if target else 1)).all()


def test_choice_by_hand():
    cosines = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9 - TEMPERATURE, 0.0, 0.0]], dtype=torch.float64)
    weights = [1, math.exp(-1), *[math.exp(-0.9 / TEMPERATURE)] * 2]
    expected = [math.log(4), math.log(sum(weights))]
    assert choose(cosines).tolist() == pytest.approx(expected)


def test_windows_of_one_clip_are_no_strangers():
    faces, sounds = units(3, 8), units(3, 2, 8, seed=1)
    terms = contrast(faces, sounds, torch.tensor([4, 4, 9]))
    pairs = [(0, 2), (1, 2), (2, 0), (2, 1)]
    expected = sum(float(differ(faces[a] @ sounds[b, 0])) for a, b in pairs) / 4
    assert float(terms["easy"]) == pytest.approx(expected)
    assert contrast(faces, sounds, torch.zeros(3))["easy"] == 0


def test_loss_is_the_weighted_sum_and_least_for_the_truth():
    faces, sounds = units(4, 8), units(4, 3, 8, seed=1)
    terms = contrast(faces, sounds, torch.arange(4))
    expected = terms["together"] + terms["hard"] / 2 + terms["easy"] / 2 + 0.5 * terms["choice"]
    assert contrastive_loss(terms, 0.5) == expected
    axes = torch.eye(12, dtype=torch.float64)
    true = torch.stack([axes[:4], axes[4:8], axes[8:]], 1)
    perfect = contrast(axes[:4], true, torch.arange(4))
    assert contrastive_loss(perfect, 1.0) < 0.01 < expected
