"""The options of `lipdub train`: what the command line takes for each, and its help; loads no torch."""

from dataclasses import asdict
from typing import Any

from lipdub.training.config import NETWORKS, TRUNKS, WEIGHTINGS
from lipdub.training.terms import PRESETS, Weights

_PUBLISHED = ", ".join(f"{name}={value:g}" for name, value in asdict(Weights()).items())
_ROWS = "; ".join(f"{name}: {', '.join(row.weights.on)}" for name, row in PRESETS.items())

# Field of `TrainOptions`: what the command line takes, and the help.
TRAIN_TEXTS: dict[str, tuple[Any, str]] = {
    "preset": (str, f"Terms of the loss, a row of the paper's ablation. {_ROWS}."),
    "weight": (
        list[str],
        f"λ of a term, TERM=VALUE, beside the preset's; may be given again. Published: {_PUBLISHED}.",
    ),
    "without": (list[str], "Switch a term of the loss off; may be given again."),
    "weighting": (
        str,
        f"How the terms sync, lpips and gan count by diffusion step: {', '.join(WEIGHTINGS)} "
        "(none: all steps alike, as published).",
    ),
    "weighting_l2": (str, "Likewise the term l2."),
    "mouth": (float, "How many times as much as the rest the mouth counts in l2: 10, say, for little data."),
    "network": (
        str | None,
        f"{', '.join(NETWORKS)}, or a JSON file of sizes; else that of --init-from, or {NETWORKS[0]}.",
    ),
    "init_from": (str | None, "Weights to begin with, such as the published checkpoint."),
    "expert": (str | None, "Weights of the lip-sync expert, see train-expert."),
    "lpips": (str, f"Network of the LPIPS term: {' or '.join(TRUNKS)}."),
    "steps": (int, "Updates in all."),
    "batch_size": (int, "Sequences of five frames in an update, over all processes."),
    "accumulate": (int, "Parts a process takes its share of a batch in: less memory."),
    "lr": (float, "Learning rate."),
    "clip": (float, "Largest norm of a gradient; 0 does not clip."),
    "ema": (float, "Decay of the moving average of the weights."),
    "precision": (str, "auto, fp32, bf16 or fp16."),
    "device": (str, "auto, cpu, cuda, cuda:N or mps."),
    "checkpoint_activations": (bool, "Compute activations twice rather than keep them: less memory."),
    "compile": (bool, "Let torch.compile make the network faster."),
    "workers": (int, "Processes that read data, for each that trains."),
    "balance": (float, "1: all clips are seen alike often; 0: all speakers."),
    "elsewhere": (
        float,
        "Share of samples whose reference is a frame of another clip of the speaker, 0 to 1.",
    ),
    "augment": (
        bool,
        "Change framing, colours and compression of the faces, loudness and noise of the sound, at random.",
    ),
    "hear": (
        int,
        "Updates, say 2000, in which the audio encoder learns lips from sound alone before the first step; "
        "for training from nothing on little data.",
    ),
    "keep_hearing": (bool, "Leave the audio encoder as it is; for weights that hear."),
    "tell_lips": (
        float,
        "Share of samples, 0 to 1, in which a network whose sizes have `lips` is told how far they are open, "
        "and need not hear it.",
    ),
    "seed": (int, "Of the first weights, the order of the data and the noise."),
    "save_every": (int, "Steps between two checkpoints."),
    "keep": (int, "Checkpoints that are kept."),
    "sample_every": (int, "Steps between two pictures of samples; 0 draws none."),
    "log_every": (int, "Steps between two lines of the log, beside the first and the last."),
    "fresh": (bool, "Start over instead of going on."),
}
NOT_OF_FINETUNE = frozenset({"network", "balance", "hear"})
"""The weights that it begins with say the network, and hear; and one person needs no balance."""
FINETUNE_TEXTS = {name: text for name, text in TRAIN_TEXTS.items() if name not in NOT_OF_FINETUNE}
"""Of `lipdub finetune`."""
