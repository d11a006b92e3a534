"""Sync-C, Sync-D and offset against an independent computation, and in cases with a known answer."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from lipdub.errors import InputError
from lipdub.evaluation.sync import REACH, Edges, shift_distances, sync_score

Table = NDArray[np.float32]
EDGES: tuple[Edges, ...] = ("zeros", "overlap")


def embeddings(n: int, seed: int = 0, width: int = 1024) -> Table:
    return np.random.Generator(np.random.Philox(key=seed)).standard_normal((n, width), np.float32)


def moved(table: Table, shift: int, seed: int = 9) -> Table:
    """Row k of the table is row k + shift of what comes back; the rows laid open are random."""
    fresh = embeddings(len(table), seed, table.shape[1])
    whole = np.concatenate([fresh, table, fresh])
    return whole[len(table) - shift : 2 * len(table) - shift]


def by_cdist(video: Table, audio: Table, edges: Edges) -> list[float]:
    """All pairs of distances, of which each shift is one diagonal."""
    n, m = len(video), len(audio)
    pairs = cdist(video, audio)
    to_zero = np.linalg.norm(video, axis=1)
    means = []
    for shift in range(-REACH, REACH + 1):
        met = [pairs[k, k + shift] for k in range(n) if 0 <= k + shift < m]
        alone = [to_zero[k] for k in range(n) if not 0 <= k + shift < m]
        counted = met + alone if edges == "zeros" else met
        means.append(float(np.mean(counted)) if counted else np.nan)
    return means


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("sizes", [(40, 40), (40, 33), (33, 60), (6, 6), (1, 1), (2, 50)])
def test_agrees_with_diagonals_of_all_distances(sizes: tuple[int, int], edges: Edges) -> None:
    video, audio = embeddings(sizes[0], 1, 32), embeddings(sizes[1], 2, 32)
    expected = by_cdist(video, audio, edges)
    np.testing.assert_allclose(shift_distances(video, audio, edges=edges), expected, rtol=1e-6)
    score = sync_score(video, audio, edges=edges)
    assert score.distance == pytest.approx(np.nanmin(expected), rel=1e-6)
    assert score.confidence == pytest.approx(np.nanmedian(expected) - np.nanmin(expected), abs=1e-5)
    assert score.offset == REACH - int(np.nanargmin(expected))


def test_a_case_done_by_hand() -> None:
    """Two windows a unit apart, sound one window late: 0 at shift 1 if alone, (0 + |1|) / 2 with zeros."""
    video, audio = np.array([[3.0], [1.0]]), np.array([[7.0], [3.0]])
    np.testing.assert_allclose(
        shift_distances(video, audio, reach=1), [(3 + 6) / 2, (4 + 2) / 2, (0 + 1) / 2]
    )
    np.testing.assert_allclose(shift_distances(video, audio, reach=1, edges="overlap"), [6, 3, 0])
    score = sync_score(video, audio, reach=1, edges="overlap")
    assert (score.distance, score.confidence, score.offset) == (0, 3, -1)


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("shift", range(-REACH, REACH + 1))
def test_a_shifted_copy_is_found_at_its_shift(shift: int, edges: Edges) -> None:
    video = embeddings(60)
    score = sync_score(video, moved(video, shift), edges=edges)
    assert score.offset == -shift
    unrelated = np.sqrt(2 * 1024)
    if edges == "overlap":
        assert score.distance == 0
        assert score.confidence == pytest.approx(unrelated, rel=0.02)
    else:  # the windows without sound are as far from zeros as they are long
        alone = video[len(video) - shift :] if shift > 0 else video[:-shift]
        assert score.distance == pytest.approx(np.linalg.norm(alone, axis=1).sum() / len(video))
        assert score.confidence > 0.5 * unrelated


def test_a_shift_out_of_reach_is_not_found() -> None:
    video = embeddings(100)
    assert sync_score(video, moved(video, REACH + 5), edges="overlap").confidence < 1
    assert sync_score(video, moved(video, REACH + 5), reach=REACH + 5, edges="overlap").offset == -REACH - 5


@pytest.mark.parametrize(
    ("n", "edges", "most"), [(1000, "zeros", 0.2), (1000, "overlap", 0.1), (100, "overlap", 0.5)]
)
def test_random_embeddings_give_no_confidence(n: int, edges: Edges, most: float) -> None:
    for seed in range(3):
        score = sync_score(embeddings(n, 2 * seed), embeddings(n, 2 * seed + 1), edges=edges)
        assert 0 <= score.confidence < most
        assert score.distance == pytest.approx(np.sqrt(2 * 1024), rel=0.01)


def test_zeros_flatter_a_short_clip() -> None:
    """What the docstring says of the published convention."""
    video, audio = embeddings(25, 1), embeddings(25, 2)
    assert sync_score(video, audio, edges="zeros").confidence > 3
    assert sync_score(video, audio, edges="overlap").confidence < 1


def test_noise_costs_confidence_and_adds_distance() -> None:
    video = embeddings(80)
    scores = [
        sync_score(video, moved(video, 4) + strength * embeddings(80, 5)) for strength in (0, 0.5, 1, 2)
    ]
    assert [score.offset for score in scores] == [-4] * 4
    assert all(b.confidence < a.confidence and b.distance > a.distance for a, b in pairwise(scores))


@pytest.mark.parametrize("edges", EDGES)
def test_scales_with_the_embeddings(edges: Edges) -> None:
    video, audio = embeddings(50, 1), embeddings(50, 2)
    one, three = sync_score(video, audio, edges=edges), sync_score(3 * video, 3 * audio, edges=edges)
    assert three.distance == pytest.approx(3 * one.distance)
    assert three.confidence == pytest.approx(3 * one.confidence, rel=1e-4)
    assert three.offset == one.offset


def test_exchanging_picture_and_sound_turns_the_shifts_round() -> None:
    video, audio = embeddings(50, 1), embeddings(45, 2)
    there = shift_distances(video, audio, edges="overlap")
    np.testing.assert_allclose(shift_distances(audio, video, edges="overlap"), there[::-1])


@pytest.mark.parametrize(
    ("video", "audio", "says"),
    [
        (np.zeros((0, 4)), np.zeros((3, 4)), "fewer than five frames"),
        (np.zeros((3, 4)), np.zeros((0, 4)), "fewer than five frames"),
        (np.zeros((3, 4)), np.zeros((3, 5)), r"same width.*\[3, 4\] and \[3, 5\]"),
        (np.zeros(4), np.zeros((3, 4)), "two tables"),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), "not finite"),
        (np.zeros((3, 4)), np.full((3, 4), np.inf), "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(video: Table, audio: Table, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sync_score(video, audio)
