"""Load the networks of the metrics, those that can be had, and say what cannot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipdub.engine import EMBEDDER, LANDMARKER, fetch, fetch_if_possible, load_embedder
from lipdub.evaluation.judges import Judges, expert_judge, inception_judge, lpips_judge, syncnet_judge
from lipdub.faces.detect import FaceLandmarker
from lipdub.identity import content_sha256
from lipdub.progress import Progress, silent

LPIPS, INCEPTION = "lpips_alex", "inception"
NO_SYNCNET = "Sync-C and Sync-D are not measured: no package holds SyncNet v2; give the file with --syncnet."
NO_EXPERT = "no expert is asked about sync; give one, published or your own, with --expert."
NOT_HERE = {
    LPIPS: "LPIPS is not measured: its weights are not on this machine (`lipdub fetch-weights lpips_alex`).",
    INCEPTION: "FID is not measured: its weights are not on this machine (`lipdub fetch-weights inception`).",
    EMBEDDER: "identity is not measured: SFace is not on this machine (`lipdub fetch-weights sface`).",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """The judges, which of their files they came from, and what is not measured.

    Attributes:
        judges: the networks.
        files: SHA-256 of each, by names.
        notes: a sentence for each that is missing.
    """

    judges: Judges
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_bench(
    landmarker: FaceLandmarker,
    syncnet: Path | None,
    expert: Path | None,
    device: Any = "cpu",
    progress: Progress = silent,
) -> Bench:
    """Load all that can be had.

    Args:
        landmarker: loaded before, and closed by whoever did.
        syncnet: file of SyncNet v2.
        expert: file of a Wav2Lip-style expert.
        device: of torch, where the networks compute.
        progress: told what is fetched.

    Raises:
        WeightsError: a file that is given or here cannot be used.
    """
    found = {name: fetch_if_possible(name, progress) for name in NOT_HERE}
    given = {"syncnet": syncnet, "expert": expert}
    notes = [NOT_HERE[name] for name, path in found.items() if path is None]
    notes += [NO_SYNCNET] if syncnet is None else []
    notes += [NO_EXPERT] if expert is None else []
    judges = Judges(
        landmarker=landmarker,
        embedder=load_embedder(progress),
        lpips=_made(lpips_judge, found[LPIPS], device),
        inception=_made(inception_judge, found[INCEPTION], device),
        syncnet=_made(syncnet_judge, syncnet, device),
        expert=_made(expert_judge, expert, device),
    )
    paths = {LANDMARKER: fetch(LANDMARKER, progress), **found, **given}
    files = {name: content_sha256(path, progress) for name, path in paths.items() if path is not None}
    return Bench(judges, files, tuple(notes))


def _made(make: Callable[[Path, Any], Any], path: Path | None, device: Any) -> Any:
    return None if path is None else make(path, device)
