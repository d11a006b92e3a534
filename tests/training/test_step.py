"""One update: what is drawn, what computes in which type, what memory it takes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lipdub.diffusion.corruption import Corrupted, corrupt, roots
from lipdub.diffusion.denoiser import x0_of
from lipdub.training.losses import estimate
from lipdub.training.objective import Judges
from lipdub.training.state import Run, checkpoint_activations, judge_for, new_run
from lipdub.training.step import Batch, Method, draw, look, update
from lipdub.training.terms import Weights
from tests.support.training import SMALL
from tests.support.weights import small_network

CPU = torch.device("cpu")
PLAIN = Weights(sync=0, lpips=0, gan=0)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def batch() -> Batch:
    return Batch(drawn(10, 3, 16, 16), drawn(2, 3, 16, 16), drawn(10, 80, 16), drawn(2, 1, 80, 16))


def run_of(**choices: object) -> Run:
    return new_run(small_network(), **choices)


def test_five_frames_share_a_step_and_noise_is_not_the_filling() -> None:
    t, noise, fill = draw(7, 3, range(4), 16, CPU)
    assert t.shape == (4,)
    assert t.dtype == torch.int64
    assert noise.shape == fill.shape == (20, 3, 16, 16)
    both = torch.stack((noise.flatten(), fill.flatten()))
    assert abs(torch.corrcoef(both)[0, 1]) < 0.03
    assert both.std(1) == pytest.approx([1, 1], abs=0.03)
    frames = noise.unflatten(0, (4, 5))
    assert not torch.equal(frames[:, 0], frames[:, 1])


def test_what_is_drawn_depends_on_seed_step_and_place_alone() -> None:
    whole = draw(7, 3, range(4), 16, CPU)
    for part in (range(2), range(2, 4)):
        found = draw(7, 3, part, 16, CPU)
        assert torch.equal(found[0], whole[0][list(part)])
        for k in (1, 2):
            assert torch.equal(found[k], whole[k].unflatten(0, (4, 5))[list(part)].flatten(0, 1))
    for other in ((8, 3), (7, 4)):
        assert not torch.equal(draw(*other, range(4), 16, CPU)[1], whole[1])


def test_steps_are_drawn_evenly() -> None:
    t = torch.cat([draw(7, step, range(8), 2, CPU)[0] for step in range(250)])
    assert 0 <= t.min() < 5
    assert 995 <= t.max() <= 999
    counts = torch.histc(t.float(), 10, 0, 1000)
    assert ((counts - 200).abs() < 5 * 200**0.5).all()


def test_the_network_alone_computes_in_the_half_type(batch: Batch) -> None:
    seen_types: dict[str, set[torch.dtype]] = {"convolution": set(), "judge": set()}
    run = run_of(judge=True)
    run.network.input_blocks[0][0].register_forward_hook(
        lambda _m, _i, out: seen_types["convolution"].add(out.dtype)
    )
    run.judge[0].register_forward_hook(lambda _m, _i, out: seen_types["judge"].add(out.dtype))
    weights = Weights(sync=0, lpips=0)
    update(run, [batch], Method(weights, Judges(discriminator=run.judge), half=torch.bfloat16))
    assert seen_types == {"convolution": {torch.bfloat16}, "judge": {torch.float32}}
    assert {tensor.dtype for tensor in run.network.parameters()} == {torch.float32}


def test_the_noise_found_is_float32_and_the_first_three_channels(batch: Batch) -> None:
    seen = noisy(batch)
    network = small_network()
    whole = network(seen.x_t, seen.t, seen.condition, batch.reference.repeat_interleave(5, 0), batch.mel)
    assert torch.equal(look(network, batch, seen, None), whole[:, :3])
    half = look(network, batch, seen, torch.bfloat16)
    assert half.dtype == torch.float32
    assert 0 < (half - whole[:, :3]).abs().max() < 0.1


def test_the_estimate_of_a_residual_is_that_of_sampling(batch: Batch) -> None:
    seen = noisy(batch)
    network = small_network()
    reference = batch.reference.repeat_interleave(5, 0)
    answer = network(seen.x_t, seen.t, seen.condition, reference, batch.mel)[:, :3]
    eps = look(network, batch, seen, None, "residual")
    expected = x0_of("residual", seen.x_t, answer, reference, *roots(seen.t, eps))
    torch.testing.assert_close(estimate(seen, eps)[:, :, 8:], expected[:, :, 8:], rtol=0, atol=1e-4)


def test_the_network_is_told_the_lips_of_a_batch(batch: Batch) -> None:
    seen, network = noisy(batch), small_network(lips=5)
    told = replace(batch, lips=torch.linspace(-2, 2, 50).reshape(10, 5))
    heard, found, flat = (
        look(network, each, seen, None) for each in (batch, told, replace(told, lips=torch.zeros(10, 5)))
    )
    assert not torch.allclose(found, flat, atol=1e-4)
    nothing = replace(batch, lips=torch.full((10, 5), torch.nan))
    assert torch.equal(look(network, nothing, seen, None), heard)


def test_a_mouth_that_counts_more_counts_in_the_update(batch: Batch) -> None:
    plain, mouthy = run_of(), run_of()
    one = update(plain, [batch], Method(PLAIN))
    other = update(mouthy, [batch], Method(PLAIN, mouth=12))
    assert other["simple"] == one["simple"]
    assert other["l2"] != pytest.approx(one["l2"], rel=1e-3)


def noisy(batch: Batch) -> Corrupted:
    t, noise, fill = draw(7, 0, range(2), 16, CPU)
    return corrupt(batch.frames, t.repeat_interleave(5), noise, fill)


def test_the_order_of_sequences_in_a_batch_is_that_of_their_noise(batch: Batch) -> None:
    # Two parts, of which the second is drawn for place 1: as the whole.
    one, two = run_of(lr=0.0), run_of(lr=0.0)
    halves = [
        Batch(batch.frames[5 * k : 5 * k + 5], batch.reference[k : k + 1], batch.mel[5 * k : 5 * k + 5],
              batch.heard[k : k + 1])
        for k in range(2)
    ]  # fmt: skip
    whole, parts = update(one, [batch], Method(PLAIN)), update(two, halves, Method(PLAIN))
    assert parts == pytest.approx(whole, rel=1e-4)
    swapped = update(run_of(lr=0.0), halves[::-1], Method(PLAIN))
    assert swapped["loss"] != pytest.approx(whole["loss"], rel=1e-4)


def test_gradients_are_shortened_to_the_norm_asked_for(batch: Batch) -> None:
    plain, clipped = run_of(), run_of()
    found = update(plain, [batch], Method(PLAIN))
    update(clipped, [batch], Method(PLAIN, clip=found["gradient"] / 4))
    for a, b in zip(plain.network.parameters(), clipped.network.parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad / 4, rtol=1e-3, atol=1e-7)


def test_the_average_moves_with_every_update(batch: Batch) -> None:
    run = run_of(lr=1e-2)
    before = {name: tensor.clone() for name, tensor in run.ema.average.items()}
    update(run, [batch], Method(PLAIN))
    for name, tensor in run.network.named_parameters():  # the first decay is 0.1
        torch.testing.assert_close(run.ema.average[name], 0.1 * before[name] + 0.9 * tensor)
    assert run.step == run.ema.updates == 1


def test_the_judge_learns_and_takes_one_power_iteration_an_update(batch: Batch) -> None:
    runs = [run_of(judge=True, lr=0.0) for _ in range(2)]
    weights = Weights(sync=0, lpips=0)
    halves = [Batch(batch.frames[:5], batch.reference[:1], batch.mel[:5], batch.heard[:1])] * 2
    for run, parts in zip(runs, ([batch], halves), strict=True):
        vector = next(run.judge.buffers())
        before = vector.clone()
        update(run, parts, Method(weights, Judges(discriminator=run.judge)))
        assert not run.judge.training
        assert not torch.equal(vector, before)
    for a, b in zip(*(run.judge.buffers() for run in runs), strict=True):
        assert torch.equal(a, b)


def test_a_judge_for_every_size() -> None:
    for size in (8, 16, 32, 64):
        assert judge_for(size)(torch.zeros(1, 15, size, size)).numel() >= 1


def test_activations_computed_again_change_nothing_but_memory(batch: Batch) -> None:
    kept: list[int] = []
    gradients = []
    for again in (False, True):
        run = run_of()
        if again:
            checkpoint_activations(run.network)
        names = [name for name, _ in run.network.named_parameters()]
        with counted() as sizes:
            update(run, [batch], Method(PLAIN))
        kept.append(sum(sizes))
        gradients.append({name: p.grad for name, p in run.network.named_parameters()})
        assert names == [name for name, _ in small_network().named_parameters()]
    for name in names:
        torch.testing.assert_close(gradients[0][name], gradients[1][name], rtol=1e-5, atol=1e-8)
    assert kept[1] < 0.5 * kept[0]


class counted:
    """Bytes that autograd keeps, inside."""

    def __enter__(self) -> list[int]:
        self.sizes: list[int] = []
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda x: x)
        self.hooks.__enter__()
        return self.sizes

    def __exit__(self, *exc: object) -> None:
        self.hooks.__exit__(*exc)

    def _pack(self, x: Tensor) -> Tensor:
        self.sizes.append(x.nbytes)
        return x


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_compiled_it_has_the_same_names_and_loss(batch: Batch, compiler: None) -> None:
    plain, compiled = run_of(), run_of()
    compiled.network.compile(backend="eager")
    assert list(compiled.network.state_dict()) == list(plain.network.state_dict())
    found, expected = (update(run, [batch], Method(PLAIN)) for run in (compiled, plain))
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_run_becomes_tensors_and_back(batch: Batch) -> None:
    weights = Weights(sync=0, lpips=0)

    def step(run: Run) -> dict[str, float]:
        return update(run, [batch], Method(weights, Judges(discriminator=run.judge)))

    run = run_of(judge=True)
    step(run)
    other = new_run(SMALL, judge=True, seed=99)
    other.restore({name: tensor.clone() for name, tensor in run.tensors().items()}, run.numbers())
    assert step(run) == step(other)
    for name, tensor in run.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def test_a_judge_that_begins_later_begins_anew() -> None:
    run = run_of()
    later = run_of(judge=True, seed=3)
    fresh = {name: tensor.clone() for name, tensor in later.judge.state_dict().items()}
    later.restore(run.tensors(), run.numbers())
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in later.judge.state_dict().items())


def test_first_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = new_run(SMALL, seed=1), new_run(SMALL, seed=1), new_run(SMALL, seed=2)
    assert torch.equal(torch.rand(3), expected)
    name = "input_blocks.0.0.weight"
    assert torch.equal(one.network.state_dict()[name], two.network.state_dict()[name])
    assert not torch.equal(one.network.state_dict()[name], other.network.state_dict()[name])


def test_in_fp16_an_update_that_overflows_is_left_out_and_the_scale_falls(batch: Batch) -> None:
    run = run_of(half=torch.float16)
    scale = run.scaler.get_scale()
    assert scale > 1
    first = next(run.network.parameters())
    before = first.detach().clone()
    handle = first.register_hook(lambda gradient: gradient * float("inf"))
    update(run, [batch], Method(PLAIN, half=torch.float16))
    assert torch.equal(first, before)
    assert run.scaler.get_scale() == scale / 2
    handle.remove()
    for _ in range(20):  # the scale may have to fall further
        values = update(run, [batch], Method(PLAIN, half=torch.float16))
        if values["gradient"] < float("inf"):
            break
    assert not torch.equal(first, before)
    other = run_of(half=torch.float16)
    other.restore(run.tensors(), run.numbers())
    assert other.scaler.get_scale() == run.scaler.get_scale() < scale
