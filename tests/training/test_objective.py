"""The sum of the terms: their weights, which are off, how steps weigh, and what is refused."""

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.diffusion.corruption import Corrupted, corrupt
from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.errors import OptionError, TrainingError
from lipdub.models.discriminator import SequencePatchGan
from lipdub.training.losses import estimate
from lipdub.training.objective import (
    WEIGHTINGS,
    Judges,
    by_gate,
    by_signal,
    check_finite,
    judge_loss,
    loss_terms,
    total,
    weighted_mean,
)
from lipdub.training.terms import JUDGED_TERMS, PRESETS, Weights
from tests.support.weights import small_network

TERMS = tuple(asdict(Weights()))
STEPS = [50, 50, 50, 50, 50, 700, 700, 700, 700, 700]


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def expert(lips: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
    seen = F.adaptive_avg_pool2d(lips, (2, 2)).flatten(1) @ drawn(60, 4, seed=11)
    return F.softplus(seen), F.softplus(mel.flatten(1) @ drawn(1280, 4, seed=12) / 36)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).tanh().square().mean((1, 2, 3))


@pytest.fixture
def judges() -> Judges:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Judges(expert, distance, SequencePatchGan(width=2, layers=1).double().eval())


@pytest.fixture
def seen() -> Corrupted:
    image, noise, fill = (drawn(10, 3, 8, 8, seed=seed) for seed in range(3))
    return corrupt(image, torch.tensor(STEPS), noise, fill)


def terms_of(
    seen: Corrupted, eps: Tensor, judges: Judges, weights: Weights, **more: Any
) -> dict[str, Tensor]:
    mel = drawn(2, 1, 80, 16, seed=3)
    return loss_terms(seen, eps, estimate(seen, eps), mel, weights=weights, judges=judges, **more)


def gradient(seen: Corrupted, judges: Judges, weights: Weights) -> Tensor:
    eps = drawn(10, 3, 8, 8, seed=4).requires_grad_()
    total(terms_of(seen, eps, judges, weights), weights, 0).backward()
    return eps.grad


def test_the_weights_of_the_published_checkpoint() -> None:
    assert asdict(Weights()) == {"simple": 1, "l2": 1, "sync": 0.1, "lpips": 0.25, "gan": 0.5}


def test_every_preset_has_one_term_more() -> None:
    assert [preset.weights.on for preset in PRESETS.values()] == [
        ("simple", "l2"),
        ("simple", "l2", "sync"),
        ("simple", "l2", "sync", "lpips"),
        ("simple", "l2", "sync", "lpips", "gan"),
    ]
    for preset in PRESETS.values():
        assert preset.weights == Weights().without(*set(TERMS) - set(preset.weights.on))


def test_the_sum_is_that_of_the_weighted_terms() -> None:
    terms = {name: torch.tensor(float(k)) for k, name in enumerate(TERMS, start=1)}
    assert total(terms, Weights(), 0).item() == pytest.approx(1 + 2 + 0.3 + 1 + 2.5)
    assert total(terms, Weights(simple=0, l2=3, gan=0), 0).item() == pytest.approx(6 + 0.3 + 1)


def test_all_terms_of_a_step(seen: Corrupted, judges: Judges) -> None:
    terms = terms_of(seen, drawn(10, 3, 8, 8, seed=4), judges, Weights())
    assert tuple(terms) == TERMS
    assert all(value.shape == () for value in terms.values())
    expected = sum(asdict(Weights())[name] * value.item() for name, value in terms.items())
    assert total(terms, Weights(), 0).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", TERMS)
def test_switching_a_term_off_removes_its_gradient_and_no_other(
    name: str, seen: Corrupted, judges: Judges
) -> None:
    whole = gradient(seen, judges, Weights())
    alone = gradient(seen, judges, Weights().without(*set(TERMS) - {name}))
    assert alone.any()
    torch.testing.assert_close(gradient(seen, judges, Weights().without(name)), whole - alone)


def test_a_term_that_is_off_asks_nobody(seen: Corrupted) -> None:
    weights = Weights(sync=0, lpips=0, gan=0)
    terms = terms_of(seen, drawn(10, 3, 8, 8, seed=4), Judges(), weights)
    assert tuple(terms) == ("simple", "l2")
    asked = Judges(lambda *_: pytest.fail("asked"), lambda *_: pytest.fail("asked"), nn.Identity())
    assert terms == terms_of(seen, drawn(10, 3, 8, 8, seed=4), asked, weights)


@pytest.mark.parametrize(
    ("term", "network"), [("sync", "expert"), ("lpips", "lpips"), ("gan", "discriminator")]
)
def test_a_term_without_its_network(term: str, network: str, seen: Corrupted) -> None:
    weights = Weights().without(*set(TERMS) - {term})
    with pytest.raises(OptionError, match=f"term {term} needs the network '{network}'"):
        terms_of(seen, seen.noise, Judges(), weights)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", TERMS)
def test_what_is_not_finite_is_named(name: str, bad: float) -> None:
    terms = {term: torch.tensor(bad if term == name else 1.0) for term in TERMS}
    with pytest.raises(TrainingError, match=rf"term '{name}' is {bad} at step 123;"):
        total(terms, Weights(), 123)
    rest = Weights().without(name)
    assert total(terms, rest, 123).item() == pytest.approx(sum(asdict(rest).values()))


def test_a_sum_too_large_is_named() -> None:
    terms = {"simple": torch.tensor(3e38), "l2": torch.tensor(3e38)}
    with pytest.raises(TrainingError, match="'sum of all' is inf at step 7"):
        total(terms, Weights(sync=0, lpips=0, gan=0), 7)


def test_nan_in_a_network_is_named_by_its_term(seen: Corrupted, judges: Judges) -> None:
    with torch.no_grad():
        next(judges.discriminator.parameters()).fill_(float("nan"))
    terms = terms_of(seen, drawn(10, 3, 8, 8, seed=4), judges, Weights())
    with pytest.raises(TrainingError, match="'gan' is nan"):
        total(terms, Weights(), 0)
    with pytest.raises(TrainingError, match="'judge' is nan"):
        check_finite({"judge": judge_loss(seen.clean, seen, judges.discriminator)}, 0)


def test_nan_of_the_expert_is_not_clamped_away(seen: Corrupted) -> None:
    blind = Judges(lambda lips, _: (lips.flatten(1) * float("nan"), lips.flatten(1)))
    weights = Weights(lpips=0, gan=0)
    with pytest.raises(TrainingError, match="'sync' is nan"):
        total(terms_of(seen, seen.noise + 0.1, blind, weights), weights, 0)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_impossible_weights(value: float) -> None:
    with pytest.raises(OptionError, match="term sync must be at least 0"):
        Weights(sync=value)


def test_no_weights_at_all_and_unknown_terms() -> None:
    with pytest.raises(OptionError, match="No term of the loss is left"):
        Weights().without(*TERMS)
    with pytest.raises(OptionError, match="no loss term 'vgg'"):
        Weights().without("vgg")


def test_weightings_of_steps() -> None:
    t = torch.tensor([0, 258, 259, 999])
    assert by_gate(t).tolist() == [1, 1, 0, 0]
    torch.testing.assert_close(
        by_signal(t).double(), torch.from_numpy(alphas_cumprod())[t], rtol=1e-6, atol=0
    )
    assert by_signal(torch.arange(1000)).mean().item() == pytest.approx(0.2755, abs=1e-4)
    assert WEIGHTINGS["none"] is None


def test_weighted_means_by_hand() -> None:
    t = torch.tensor([0, 0, 0, 0, 4, 1, 1, 1, 1, 1])
    assert weighted_mean(torch.tensor([2.0, 3.0]), t, None).item() == 2.5
    # sequences have the mean weight of their frames: 0.8 and 1
    assert weighted_mean(torch.tensor([2.0, 3.0]), t, lambda t: t.float()).item() == pytest.approx(2.3)
    frames = torch.tensor([9.0, 9, 9, 9, 1, 2, 2, 2, 2, 2])
    assert weighted_mean(frames, t, lambda t: t.float()).item() == pytest.approx(1.4)


def test_gated_terms_learn_only_from_the_early_steps(seen: Corrupted, judges: Judges) -> None:
    for term in ("l2", *JUDGED_TERMS):
        weights = Weights().without(*set(TERMS) - {term})
        eps = drawn(10, 3, 8, 8, seed=4).requires_grad_()
        terms_of(seen, eps, judges, weights, weightings={term: by_gate})[term].backward()
        assert eps.grad[:5].any()
        assert not eps.grad[5:].any()


def test_by_signal_l2_is_l_simple_less_than_once(seen: Corrupted, judges: Judges) -> None:
    eps, weights = drawn(10, 3, 8, 8, seed=4), Weights(sync=0, lpips=0, gan=0)
    l2 = terms_of(seen, eps, judges, weights, weightings={"l2": by_signal})["l2"]
    a = torch.from_numpy(alphas_cumprod())[seen.t]
    error = (eps - seen.noise)[:, :, 4:].square().mean((1, 2, 3))
    assert l2.item() == pytest.approx(((1 - a) * error).mean().item(), rel=1e-5)


def test_a_step_of_the_generator_leaves_the_judge_alone_and_the_other_way_round(
    seen: Corrupted, judges: Judges
) -> None:
    eps = drawn(10, 3, 8, 8, seed=4).requires_grad_()
    total(terms_of(seen, eps, judges, Weights()), Weights(), 0).backward()
    assert all(p.grad is None for p in judges.discriminator.parameters())
    before = eps.grad.clone()
    judge_loss(estimate(seen, eps), seen, judges.discriminator).backward()
    assert torch.equal(eps.grad, before)
    assert all(p.grad is not None for p in judges.discriminator.parameters())


def test_a_small_network_learns() -> None:
    network = small_network().train()
    image, noise, fill, reference = (drawn(5, 3, 16, 16, seed=s, dtype=torch.float32) for s in range(4))
    mel, t = drawn(5, 80, 16, seed=5, dtype=torch.float32), torch.full((5,), 100)
    seen = corrupt(image, t, noise, fill)
    weights, judges = Weights(sync=0, gan=0), Judges(lpips=distance)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    history: list[dict[str, Tensor]] = []
    for step in range(8):
        eps = network(seen.x_t, t, seen.condition, reference, mel)[:, :3]
        history.append(
            loss_terms(seen, eps, estimate(seen, eps), mel[:1, None], weights=weights, judges=judges)
        )
        optimiser.zero_grad()
        total(history[-1], weights, step).backward()
        optimiser.step()
    for name in weights.on:
        assert history[-1][name] < 0.8 * history[0][name], name


def test_terms_are_float32_where_the_networks_compute_in_half_types() -> None:
    image, noise, fill = (drawn(5, 3, 8, 8, seed=seed, dtype=torch.float32) for seed in range(3))
    seen = corrupt(image, torch.full((5,), 100), noise, fill)
    judge = SequencePatchGan(width=2, layers=1).eval()
    judges = Judges(
        lambda lips, _: (lips.bfloat16().flatten(1),) * 2, lambda a, _: a[:, 0, 0, 0].bfloat16(), judge
    )
    eps = noise.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss_terms(
            seen, eps, estimate(seen, eps), torch.zeros(1, 1, 80, 16), weights=Weights(), judges=judges
        )
        loss = total(terms, Weights(), 0)
        judged = judge_loss(estimate(seen, eps), seen, judge)
    assert {value.dtype for value in (*terms.values(), loss, judged)} == {torch.float32}
    loss.backward()
    assert eps.grad.isfinite().all()


def moving(count: int, seed: int) -> Tensor:
    """Frames of sequences in which one picture turns into another."""
    first, last = drawn(2, count, 1, 3, 16, 16, seed=seed, dtype=torch.float32)
    share = torch.linspace(0, 1, 5)[:, None, None, None]
    return (first * (1 - share) + last * share).flatten(0, 1)


def test_the_judge_learns_the_order_of_frames() -> None:
    # Each frame by itself is as real as can be: only a judge of whole sequences can tell.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = SequencePatchGan(width=8, layers=2)
    optimiser = torch.optim.AdamW(judge.parameters(), 2e-3)

    def judged(seed: int) -> Tensor:
        clean = moving(4, seed)
        seen = Corrupted(clean, clean, clean, clean, torch.zeros(20, dtype=torch.int64))
        return judge_loss(clean.unflatten(0, (4, 5))[:, [0, 3, 1, 4, 2]].flatten(0, 1), seen, judge)

    assert judged(1000).item() == pytest.approx(2, abs=0.05)
    for seed in range(50):
        optimiser.zero_grad()
        judged(seed).backward()
        optimiser.step()
    assert judged(1000).item() < 0.5
