"""The draft weights: how they are trained, and what they measure on people they were not trained on.

    python benchmarks/draft.py train     --work DIR --shards DIR --expert FILE
    python benchmarks/draft.py measure   --work DIR --held-out DIR --set grid [--weights FILE] [--clips N]
    python benchmarks/draft.py published --work DIR [--weights FILE] [--reference same] [--clips N]
    python benchmarks/draft.py sheet     --work DIR
    python benchmarks/draft.py table     --work DIR

`train` goes on where it was stopped, through all `STAGES`; DIR of `--shards` has the folders that `lipdub prepare`
made of the footage (see `SHARDS`). `measure` paints every frame of clips that nobody was trained on, with their
own sound and the face of another clip of the speaker; `published` paints the authors' examples, on which the true
mouth is somebody else's. Both keep what they found of each clip, and go on from there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).parent))
from ablation import apertures
from common import FOOTAGE, put, table
from lipdub.dataset.augmenting import show
from lipdub.dataset.clips import Clip, Clips
from lipdub.dataset.sampling import Look
from lipdub.diffusion.corruption import corrupt, roots
from lipdub.diffusion.denoiser import x0_of
from lipdub.diffusion.inpaint import inpaint, make_noise
from lipdub.engine import Engine, load_engine, load_landmarker
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.kept import keep, kept
from lipdub.evaluation.landmarks import aperture_agreement
from lipdub.evaluation.measure import measure as measure_clip
from lipdub.evaluation.measure import see
from lipdub.evaluation.summary import REAL
from lipdub.evaluation.views import SIDE
from lipdub.faces.detect import FaceLandmarker
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe_sound import probe_audio
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.models.checkpoint import read_weights, save_tensors
from lipdub.models.config import METADATA_KEY
from lipdub.options import PRESETS, REFERENCES, SyncOptions
from lipdub.protocol.generating import Shot, generate
from lipdub.protocol.takes import take_of
from lipdub.speech.reader import MelReader
from lipdub.training.loader import Scenes, Taking, as_images
from lipdub.weights import locate
from published import judges_with, panels_of, speech_of

SIZES = {
    "image_size": 128, "width": 32, "multipliers": [1, 2, 3, 4], "res_blocks": 1,
    "attention_resolutions": [16, 8], "head_width": 32, "audio_width": 32, "audio_multipliers": [1, 1, 2, 2],
    "patch": 2, "prediction": "residual",
}  # fmt: skip
SMALL = SIZES | {"image_size": 64, "attention_resolutions": [8, 4]}
"""The same weights fit: no layer knows how large the picture is."""
SHARDS = ("shards-grid", "shards-words", "shards-filmed")
"""The first 350 clips of grid, all folders of words but c04, c13, c23, c30, and half of the filmed others."""
COMMON = [
    "--device", "cpu", "--precision", "bf16", "--balance", "0.8", "--augment", "--workers", "0", "--ema", "0.998",
    "--save-every", "250", "--sample-every", "500", "--keep", "2", "--batch-size", "4", "--keep-hearing",
]  # fmt: skip
WEIGHTS = ["--weight", "l2=10", "--weight", "sync=0.3", "--clip", "10"]
"""With residuals, L_sync's gradient at the paper's weights is 12 times that of L2 (0.14 and 0.012 at 64 pixels). L2 alone
(40 times its weight) makes better pictures whose lips stand still; these keep both."""
STAGES: tuple[tuple[str, dict[str, object], list[str]], ...] = (
    (
        "small",
        SMALL,
        ["--hear", "2000", "--preset", "sync", "--without", "simple", "--lr", "5e-4", "--steps", "4000"],
    ),
    ("large", SIZES, ["--preset", "lpips", "--lpips", "alex", "--lr", "3e-4", "--steps", "1000"]),
    ("sharp", SIZES, ["--preset", "paper", "--lpips", "alex", "--lr", "2e-4", "--steps", "500"]),
)
"""Name, sizes, options: half the pixels first, where an update takes a third of the time; then all of them; and
at last all terms. The weights in the package went through these stages in several pieces while the recipe was
found: three quarters of an hour of one core (hearing, first small pictures), then an hour of two, half of it on large
pictures, of which 440 steps with all terms."""
STEPS = 5
"""Of the preset draft."""
BATCH, STRIP, LONG = 25, 6, 100
SETS = {
    "grid": ("the GRID speaker, clips held out", 0.75),
    "words": ("four word speakers never seen", 0.40),
    "generated": ("four generated speakers never seen", 0.40),
}
HELD_OUT = {
    "grid": ("heldout-grid", ""),
    "words": ("heldout-words", ""),
    "generated": ("heldout-others", "generated"),
}
"""Folders beside those of `SHARDS`, and how their speakers' names begin."""
RIDGE, STEADY = 30.0, 0.005
ESTIMATED, ESTIMATED_STEPS = 12, (50, 200, 400, 600, 800, 999)
ON_SHEET = ("grid", "generated")
"""Sets of which frames may be shown."""
FIGURES = {
    "truth": "aperture, own sound",
    "late": "shifted by half the clip",
    "aperture_ratio": "movement / true movement",
    "sharp": "sharpness / true (Laplacian)",
    "sharp_gradient": "sharpness / true (gradient)",
    "l1": "error, grey levels",
}
TEXT = """Every frame of clips that nobody was trained on is painted in five steps, with the clip's own sound and the
face of another clip of the speaker (or of the same, a second away, where he has one). Correlation of the aperture of the
lips with the true one at lag 0, mean over clips (95 % interval, bootstrap over clips); *shifted by half the clip* is what chance makes of it. Sharpness is of the mouth at 128 pixels: variance of the Laplacian and
mean square of the gradient, over those of the true frames."""
ROW = "lipdub, draft weights"
SHOWN = ("truth", "truth_best", "leak", "leak_share", "identity", "flicker", "lpips")
SHARP_ROWS, SHARP_COLUMNS = slice(70, 118), slice(28, 100)
"""Of a face of 128x128 pixels, where the mouth is: its lower half without chin and cheeks."""

COMMANDS = ("train", "measure", "presets", "hearing", "estimates", "published", "sheet", "table")
Pictures = list[npt.NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--set", dest="name", default="grid")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--reference", default="same")
    parser.add_argument("--only", default="", help="speakers whose names begin so")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    doing = (train, measure, presets, hearing, estimates, published, sheet, tell)
    dict(zip(COMMANDS, doing, strict=True))[given.what](given)


def train(given: argparse.Namespace) -> None:
    """All stages, each with the weights of the one before."""
    before = None
    for name, sizes, options in STAGES:
        folder = given.work / name
        begin = ["--network", str(_written(given.work / f"{name}.json", sizes))]
        if before is not None:
            begin = ["--init-from", str(resized(before, given.work / f"{name}-start.safetensors", sizes))]
        shards = [str(given.shards / each) for each in SHARDS]
        torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2", "--no-python"]
        subprocess.run(
            [*torchrun, "lipdub", "train", *shards, "-o", str(folder), *begin, *COMMON, *WEIGHTS, *options,
             "--expert", str(given.expert)], check=True,
        )  # fmt: skip
        before = folder / "weights.safetensors"


def _written(path: Path, sizes: dict[str, object]) -> Path:
    path.write_text(json.dumps(sizes))
    return path


def resized(weights: Path, target: Path, sizes: dict[str, object]) -> Path:
    """The same weights as those of a network for larger pictures."""
    tensors, metadata = read_weights(weights)
    config = json.loads(metadata[METADATA_KEY]) | sizes
    save_tensors(tensors, metadata | {METADATA_KEY: json.dumps(config)}, target)
    return target


def measure(given: argparse.Namespace) -> None:
    """Held-out clips of one set, each with the face of another clip of the same speaker."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = load_checkpoint(given.weights)
    clips = [clip for clip in Clips([given.held_out]) if clip.speaker.startswith(given.only)]
    clips = clips[:: max(1, len(clips) // given.clips)][: given.clips] if given.clips else clips
    lent = faces_lent(clips)
    with (
        FaceLandmarker(locate("face_landmarker")) as landmarker,
        (given.work / f"{given.name}.jsonl").open("a") as file,
    ):
        for clip in clips:
            stored, faces, made = repainted(network, clip, lent[clip.key], given.steps)
            row = judged(clip, stored, faces, made, landmarker)
            chosen = np.linspace(0, clip.frames - 1, STRIP).round().astype(int)
            strip = np.vstack([np.hstack([each[k] for k in chosen]) for each in (faces, made)])
            (given.work / "strips").mkdir(exist_ok=True)
            np.save(given.work / "strips" / f"{given.name}-{clip.key}.npy", strip)
            file.write(json.dumps({"clip": clip.key, "speaker": clip.speaker, **row}) + "\n")
            file.flush()
            print(clip.key, {k: round(v, 3) for k, v in row.items()}, flush=True)
    rows = [json.loads(line) for line in (given.work / f"{given.name}.jsonl").read_text().splitlines()]
    for key in ("truth", "late", "still", "sharp", "sharp_gradient", "aperture_ratio", "l1"):
        found = mean_interval([row[key] for row in rows])
        print(f"{key}: {found.value:.3f} ({found.low:.3f} … {found.high:.3f}) of {found.clips}")


def faces_lent(clips: list[Clip]) -> dict[str, tuple[Clip, int, int]]:
    """For each clip, another of its speaker and its frame that is shown; if there is none, frames of its own.

    Returns:
        The clip, the frame for the first half of the clip, and that for the second: in a clip's own case each is
        a second away at least.
    """
    lent = {}
    for clip in clips:
        others = [other for other in clips if other.speaker == clip.speaker]
        other = others[(others.index(clip) + 1) % len(others)]
        lent[clip.key] = (other, 0, 0) if other is not clip else (clip, clip.frames - 1, 0)
    return lent


def repainted(
    network: Diff2Lip, clip: Clip, lent: tuple[Clip, int, int], steps: int
) -> tuple[Pictures, Pictures, Pictures]:
    """The stored pictures of a clip, its faces, and the faces with lips by the network."""
    size = network.config.image_size
    stored = [clip.picture(k) for k in range(clip.frames)]
    faces = [show(picture, clip.margin, size, Look()) for picture in stored]
    other, early, late = lent
    shown = {k: show(other.picture(k), other.margin, size, Look()) for k in {early, late}}
    references = [shown[early if k < clip.frames / 2 else late] for k in range(clip.frames)]
    mels = MelReader(clip.sound()).windows([Fraction(k, 25) for k in range(clip.frames)])
    return stored, faces, relipped(network, faces, references, torch.from_numpy(mels), steps)


def judged(
    clip: Clip, stored: Pictures, faces: Pictures, made: Pictures, landmarker: FaceLandmarker
) -> dict[str, float]:
    """How the painted lips go with the true ones, and how sharp they are."""
    true = np.array(clip.meta["aperture"], np.float64)
    ours, seen = (apertures(each, stored, clip.margin, landmarker) for each in (made, faces))
    sharp = [np.mean([sharpness(face) for face in each], axis=0) for each in (made, faces)]
    return {
        "truth": aperture_agreement(ours, true).correlation,
        "late": aperture_agreement(np.roll(ours, len(ours) // 2), true).correlation,
        "still": aperture_agreement(seen, true).correlation,
        "aperture_ratio": float(np.nanstd(ours) / np.nanstd(seen)),
        "sharp": float(sharp[0][0] / sharp[1][0]),
        "sharp_gradient": float(sharp[0][1] / sharp[1][1]),
        "l1": float(np.abs(lower(made) - lower(faces)).mean()),
    }


def lower(faces: Pictures) -> npt.NDArray[np.float32]:
    """The halves that are repainted."""
    return np.stack(faces)[:, len(faces[0]) // 2 :].astype(np.float32)


def relipped(
    network: Diff2Lip, faces: Pictures, references: Pictures, mels: torch.Tensor, steps: int
) -> Pictures:
    """The faces with lips that go with the sound."""
    images, shown = as_images(faces), as_images(references)
    noise = make_noise(network.config.image_size)
    with torch.inference_mode():
        parts = [
            inpaint(
                network,
                images[k : k + BATCH],
                shown[k : k + BATCH],
                mels[k : k + BATCH],
                noise,
                steps=steps,
            )
            for k in range(0, len(faces), BATCH)
        ]
    made = ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return list(made)


def presets(given: argparse.Namespace) -> None:
    """What steps buy: agreement, sharpness, error, and the distance from what `LONG` steps paint."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = load_checkpoint(given.weights)
    clips = list(Clips([given.held_out]))[:: max(1, len(Clips([given.held_out])) // given.clips)][
        : given.clips
    ]
    lent = faces_lent(clips)
    rows = {}
    with FaceLandmarker(locate("face_landmarker")) as landmarker:
        for clip in clips:
            made_in = {}
            for steps in (*sorted({p.steps for p in PRESETS.values()}), LONG):
                stored, faces, made_in[steps] = repainted(network, clip, lent[clip.key], steps)
                row = judged(clip, stored, faces, made_in[steps], landmarker)
                rows.setdefault(steps, []).append(row)
            for steps, made in made_in.items():
                away = np.abs(lower(made) - lower(made_in[LONG])).mean()
                rows[steps][-1]["away"] = float(away)
            print(clip.key, flush=True)
    (given.work / "presets.json").write_text(json.dumps(rows))


def hearing(given: argparse.Namespace) -> None:
    """What the style tells of the lips, by a straight line through it: of random weights, and of the trained ones."""
    torch.set_num_threads(1)
    learnt = [clip for name in SHARDS for clip in list(Clips([given.shards / name]))[::12]]
    held = {
        name: [clip for clip in list(Clips([given.shards / folder]))[::3] if clip.speaker.startswith(only)]
        for name, (folder, only) in HELD_OUT.items()
    }
    trained = load_checkpoint(given.weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        fresh = Diff2Lip(trained.config).eval()
    rows = {}
    for which, network in (("random weights", fresh), ("trained", trained)):
        styles, lips = zip(*(_style_and_lips(network, clip) for clip in learnt), strict=True)
        centred = np.concatenate([style - style.mean(0) for style in styles])
        spread = centred.std(0) + 1e-9
        known = centred / spread
        # Ridge regression; the clips' means, which tell persons apart, are left out on both sides.
        line = np.linalg.solve(
            known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ np.concatenate(lips)
        )
        steps = torch.arange(0, 1000, 10)
        with torch.inference_mode():
            time = network.time_embed(steps).std(0).mean().item()
        rows[which] = {"style": float(np.concatenate(styles).std(0).mean()), "time": time}
        for name, clips in held.items():
            pairs = (_style_and_lips(network, clip) for clip in clips)
            found = [
                np.corrcoef(style / spread @ line, each)[0, 1] for style, each in pairs if each.std() > STEADY
            ]
            rows[which][name] = [float(value) for value in found]
        print(which, {k: round(float(np.mean(v)), 4) for k, v in rows[which].items()}, flush=True)
    (given.work / "hearing.json").write_text(json.dumps(rows))


def _style_and_lips(network: Diff2Lip, clip: Clip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The style of each frame's sound, and the aperture less the clip's mean; frames without one are left out."""
    aperture = np.array(clip.meta["aperture"], np.float64)
    mels = MelReader(clip.sound()).windows([Fraction(k, 25) for k in range(clip.frames)])
    with torch.inference_mode():
        style = network.audio_style(torch.from_numpy(mels)).numpy().astype(np.float64)
    known = np.isfinite(aperture)
    return style[known], aperture[known] - aperture[known].mean()


def estimates(given: argparse.Namespace) -> None:
    """How far the one-step estimates of the clean face are off, by diffusion step: what judged terms look at."""
    torch.set_num_threads(1)
    network = load_checkpoint(given.weights)
    rows = {}
    for name, (folder, only) in HELD_OUT.items():
        clips = Clips([given.shards / folder])
        scenes = Scenes(clips, Taking(network.config.image_size, 3))
        wanted = [k for k in range(len(clips)) if clips.speakers[int(scenes.order(0)[k])].startswith(only)]
        found = [scenes[k] for k in wanted[:ESTIMATED]]
        clean, mel = (torch.stack([each[key][2] for each in found]) for key in ("frames", "mels"))
        reference = torch.stack([each["reference"] for each in found])
        half = clean.shape[2] // 2
        errors = {"reference": (clean - reference)[:, :, half:]}
        for t in ESTIMATED_STEPS:
            draw = torch.Generator().manual_seed(t)
            noise, fill = (torch.randn(clean.shape, generator=draw) for _ in range(2))
            step = torch.full((len(clean),), t)
            seen = corrupt(clean, step, noise, fill)
            with torch.inference_mode():
                said = network(seen.x_t, step, seen.condition, reference, mel)[:, :3]
            x_0 = x0_of(network.config.prediction, seen.x_t, said, reference, *roots(step, clean))
            errors[str(t)] = (x_0 - clean)[:, :, half:]
        rows[name] = {key: float(error.square().mean().sqrt() * 127.5) for key, error in errors.items()}
        print(name, {key: round(value, 1) for key, value in rows[name].items()}, flush=True)
    (given.work / "estimates.json").write_text(json.dumps(rows))


def published(given: argparse.Namespace) -> None:
    """The authors' examples: their sources with lips of the draft, as one more panel; see `published.py`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    truths = np.load(FOOTAGE / "published" / "true_apertures.npz")
    paths = sorted((FOOTAGE / "published").glob("*.mp4"), key=lambda path: path.name not in truths)
    weights = "draft" if given.weights is None else str(given.weights)
    options = SyncOptions(weights=weights, steps=given.steps, device="cpu")
    engine = load_engine(options)
    folder = given.work / f"published-{given.reference}"
    shot = Shot("cross", given.reference)
    with load_landmarker() as landmarker:
        judges = judges_with(landmarker)
        for path in paths[: given.clips]:
            if kept(folder, path.stem) is None:
                source = panels_of(path)[REAL]
                shown, first = painted(path, source, engine, shot, landmarker, folder)
                truth = truths.get(path.name)
                speech = speech_of(path, len(shown), None if truth is None else truth[first:])
                source = source[first : first + len(shown)]
                found = measure_clip(see(shown, landmarker), see(source, landmarker), speech, judges)
                keep(folder, path.stem, path.name, {ROW: found})
            figures = kept(folder, path.stem)[ROW].figures
            print(path.name, {k: round(figures.get(k, np.nan), 3) for k in SHOWN}, flush=True)


def painted(
    path: Path,
    source: npt.NDArray[np.uint8],
    engine: Engine,
    shot: Shot,
    landmarker: FaceLandmarker,
    folder: Path,
) -> tuple[npt.NDArray[np.uint8], int]:
    """The views of a source with new lips, on the product's own road, and the first frame in which it saw a face."""
    with tempfile.TemporaryDirectory() as fresh:
        video = Path(fresh) / "source.mkv"
        with av.open(str(video), "w") as file:
            stream = file.add_stream("ffv1", rate=25, width=SIDE, height=SIDE, pix_fmt="bgr0")
            for view in source:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
            file.mux(stream.encode(None))
        take = take_of(video, landmarker)
        sound = np.array(decode_for_network(probe_audio(path), Path(fresh) / "pcm"))
        views = generate(take, sound, engine.inpainter, shot)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{path.stem}-views.npy", views[::5])
    frames = np.rint(take.seconds * 25).astype(int)
    assert np.array_equal(frames, np.arange(frames[0], frames[0] + len(frames)))  # it is seen without a gap
    return views, int(frames[0])


def rows_of(work: Path, name: str) -> list[dict[str, float]]:
    """What was measured of a set."""
    path = work / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def sheet(given: argparse.Namespace) -> None:
    """The three clips of each set on which the lips agree best, and the three on which they agree worst."""
    parts = []
    for name in ON_SHEET:
        ranked = sorted(rows_of(given.work, name), key=lambda row: -row["truth"])
        for row in (*ranked[:3], *ranked[3:][-3:]):
            strip = np.load(given.work / "strips" / f"{name}-{row['clip']}.npy")
            label = np.full((16, strip.shape[1], 3), 255, np.uint8)
            text = f"{row['clip']}: correlation {row['truth']:+.2f} (true above, painted below)"
            cv2.putText(label, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
            parts += [label, strip]
    target = Path(__file__).with_name("draft.jpg")
    cv2.imwrite(str(target), np.vstack(parts)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])


def tell(given: argparse.Namespace) -> None:
    """The section of the page."""
    lines = []
    for name, (words, bar) in SETS.items():
        rows = rows_of(given.work, name)
        if rows:
            cells = [_cell(rows, key) for key in FIGURES]
            lines.append([f"{words}: {len(rows)} clips", f"at least {bar:.2f}", *cells])
    head = ["clips", "bar", *FIGURES.values()]
    parts = ["## The draft weights", TEXT, table(head, lines), *_hearing_told(given.work)]
    parts += [*_estimates_told(given.work), *_presets_told(given.work)]
    put("draft", "\n\n".join([*parts, *_references_told(given.work)]))


def _hearing_told(work: Path) -> list[str]:
    path = work / "hearing.json"
    if not path.exists():
        return []
    lines = []
    for which, row in json.loads(path.read_text()).items():
        means = (mean_interval(row[name]) for name in HELD_OUT)
        cells = [f"{m.value:.2f} ({m.low:.2f} … {m.high:.2f})" for m in means]
        lines.append([which, f"{row['style']:.4f}", f"{row['time']:.3f}", *cells])
    text = (
        "What the network is told of the sound is the *style* that is added to the embedding of time. How much it varies "
        "from sound to sound, the embedding of time from step to step (deviation, mean over channels), and how a straight "
        "line through it, fitted on clips of the training, tells the aperture of held-out clips (correlation):"
    )
    return [text, table(["", "style", "time", *HELD_OUT], lines)]


def _estimates_told(work: Path) -> list[str]:
    path = work / "estimates.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    lines = [[name, *(f"{value:.1f}" for value in row.values())] for name, row in rows.items()]
    text = (
        "How far the one-step estimate of the clean face is off, by diffusion step (RMS, grey levels of the lower half, "
        f"{ESTIMATED} held-out clips), beside the reference itself. With a network that says the noise, an error is "
        "157 times as large at step 999 as at 258; here none is enlarged, so the terms that judge the estimate see a face "
        "at every step, and need no weighting by step:"
    )
    return [text, table(["", *next(iter(rows.values()))], lines)]


def _presets_told(work: Path) -> list[str]:
    path = work / "presets.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    names = {str(preset.steps): name for name, preset in PRESETS.items()}
    keys = {"truth": "aperture", "sharp": "sharpness", "l1": "error, grey levels"}
    lines = [
        [names.get(steps, "–"), steps, *(_cell(found, key) for key in (*keys, "away"))]
        for steps, found in rows.items()
    ]
    head = ["preset", "steps", *keys.values(), f"away from {LONG} steps, grey levels"]
    count = len(next(iter(rows.values())))
    return [f"What steps buy, on {count} of the held-out clips:", table(head, lines)]


def _references_told(work: Path) -> list[str]:
    """How each reference does on the authors' examples."""
    keys = ("truth", "leak", "leak_share", "identity", "flicker", "lpips")
    lines = []
    for name in REFERENCES:
        files = sorted((work / f"published-{name}").glob("*.json"))
        rows = [kept(path.parent, path.stem)[ROW].figures for path in files]
        if rows:
            cells = [_cell([row for row in rows if key in row], key) for key in keys]
            lines.append([name, len(rows), *cells])
    text = (
        "On the authors' examples, by what the network is shown of the person (`--reference`); their own rows, of all "
        "47, stand in the section of the examples:"
    )
    return [text, table(["reference", "clips", *keys], lines)] if lines else []


def _cell(rows: list[dict[str, float]], key: str) -> str:
    found = mean_interval([row[key] for row in rows])
    return f"{found.value:.2f} ({found.low:.2f} … {found.high:.2f})"


def sharpness(face: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Variance of the Laplacian and mean square of the gradient, of the mouth in a face of 128x128 pixels."""
    grey = cv2.cvtColor(cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    grey = grey.astype(np.float64)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)[SHARP_ROWS, SHARP_COLUMNS]
    slopes = [cv2.Sobel(grey, cv2.CV_64F, *way)[SHARP_ROWS, SHARP_COLUMNS] for way in ((1, 0), (0, 1))]
    return float(laplacian.var()), float(np.mean(slopes[0] ** 2 + slopes[1] ** 2))


if __name__ == "__main__":
    main()
