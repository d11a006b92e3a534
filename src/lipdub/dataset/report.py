"""The report: how much was kept, and what was left out and why, of all shards together."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipdub.dataset.options import RATE
from lipdub.dataset.sidecar import read_sidecar, write_json
from lipdub.disk import write_text
from lipdub.wording import counted

EXAMPLES = 20
"""Of each reason, in the report; all are in the files beside the shards."""
_NUMBER = re.compile(r"\(.*?\)")


@dataclass(slots=True)
class Totals:
    """Sums over shards.

    Attributes:
        shards: those that hold clips.
        videos: all that were looked at.
        empty: videos of which nothing was kept.
        seen: frames looked at, at the videos' own rates.
        clips, frames: what was kept, at 25 frames a second.
        untold: clips, of these, of which nothing told whether they come in time with their sound.
        bytes: of the shards.
        work: seconds of all workers together.
        speakers: their number.
        stretches, seconds: reason: how often, and how much, was left out for it within videos.
        errors: reason: how many videos were left out whole for it.
        examples: reason: some of the videos.
    """

    shards: int = 0
    videos: int = 0
    empty: int = 0
    seen: int = 0
    clips: int = 0
    frames: int = 0
    untold: int = 0
    bytes: int = 0
    work: float = 0.0
    stretches: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, sidecar: Mapping[str, Any]) -> None:
        """Count what is written beside a shard."""
        self.shards += sidecar["clips"] > 0
        self.bytes += sidecar["bytes"]
        self.work += sidecar["seconds"]
        for video in sidecar["videos"]:
            self.videos += 1
            self.empty += video["clips"] == 0
            self.seen += video["seen"]
            self.clips += video["clips"]
            self.frames += video["frames"]
            self.untold += video.get("untold", 0)  # not in what older versions wrote
            if video["error"]:
                kind = video["error"].partition(":")[0]
                self.errors[kind] += 1
                self._example(kind, f"{video['source']}: {video['error']}")
            for stretch in video["dropped"]:
                kind = _NUMBER.sub("", stretch["reason"]).strip()
                self.stretches[kind] += 1
                self.seconds[kind] += stretch["seconds"]
                place = f"{video['source']} at {stretch['start']:.2f} s, {stretch['seconds']:.2f} s long"
                self._example(kind, f"{place}: {stretch['reason']}")

    def as_json(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return {
            **{
                name: getattr(self, name)
                for name in ("shards", "videos", "empty", "seen", "clips", "frames", "untold")
            },
            "hours": round(self.frames / RATE / 3600, 3),
            "bytes": self.bytes,
            "work_seconds": round(self.work, 1),
            "videos_left_out": dict(self.errors.most_common()),
            "stretches_left_out": {
                kind: {"times": times, "seconds": round(self.seconds[kind], 2)}
                for kind, times in self.stretches.most_common()
            },
            "examples": dict(self.examples),
        }

    def _example(self, kind: str, text: str) -> None:
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(text)


def write_report(folder: Path, sidecars: Iterable[Path]) -> Totals:
    """Write ``report.json`` and ``report.md`` of what is beside the shards of a folder.

    Raises:
        RenderError: the disk does not take them.
    """
    totals = Totals()
    for path in sidecars:
        totals.add(read_sidecar(path) or {"clips": 0, "bytes": 0, "seconds": 0.0, "videos": ()})
    write_json(folder / "report.json", totals.as_json())
    write_text(folder / "report.md", as_markdown(totals))
    return totals


def as_markdown(totals: Totals) -> str:
    """The report for people."""
    hours, speed = totals.frames / RATE / 3600, totals.seen / max(totals.work, 1e-9)
    lines = [
        "# Training data",
        "",
        f"- {counted(totals.clips, 'clip')}, {counted(totals.frames, 'frame')} at 25 a second"
        f" ({hours:.2f} hours), in {counted(totals.shards, 'shard')} of {totals.bytes / 1e6:.1f} MB together",
        f"- of {counted(totals.videos, 'video')} with {counted(totals.seen, 'frame')}; nothing was kept of"
        f" {totals.empty} of them",
        *_untold(totals),
        f"- {totals.work:.0f} seconds of work, {speed:.0f} frames a second for each worker",
        *_table("Videos left out", "videos", totals.errors, {}),
        *_table("Stretches left out", "times", totals.stretches, totals.seconds),
    ]
    for kind, examples in totals.examples.items():
        lines += ["", f"## {_cell(kind)}", "", *(f"- {_cell(text)}" for text in examples)]
    return "\n".join(lines) + "\n"


def _untold(totals: Totals) -> list[str]:
    """How many clips are kept though nothing told whether they are in sync."""
    if not totals.untold:
        return []
    return [
        f"- nothing told whether {totals.untold} of {counted(totals.clips, 'clip')} come in time with their"
        " sound: too short, or lips and sound that go together at no shift clearly; they are kept as they are"
    ]


def _table(title: str, unit: str, counts: Counter[str], seconds: Mapping[str, float]) -> list[str]:
    if not counts:
        return []
    rows = [
        f"| {_cell(kind)} | {count} | {seconds[kind]:.1f} |" if seconds else f"| {_cell(kind)} | {count} |"
        for kind, count in counts.most_common()
    ]
    head = f"| why | {unit} | seconds |" if seconds else f"| why | {unit} |"
    return ["", f"## {title}", "", head, "|---" * (head.count("|") - 1) + "|", *rows]


def _cell(text: str) -> str:
    """Text that stays in its place in Markdown, whatever is in the names of files."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", plain)
