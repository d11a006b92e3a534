"""Kill runs with SIGKILL, run them again, and compare the outputs: ``python -m tests.support.killing
JOB.json``.

The job says what to run and when to kill (see `Job`). One process imports everything once and forks a child
for each run, so that a kill costs a run and not a start. What each trial gave is printed as a line of JSON.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lipdub import journal, picture, pipeline, segments
from lipdub.faces import analyse
from lipdub.media import remux

MOMENTS = ("settle", "entry", "torn entry", "remux", "written", "publish", "gone")


@dataclass
class Job:
    """What is run, and when it is killed.

    Attributes:
        video, audio, output: of `lipdub.sync`.
        options: of `lipdub.sync`.
        kills: each a share of the whole run's time, or one of `MOMENTS` with a number: at the how-manieth
            time.
        segment_seconds: length of a segment.
        part_frames: frames of a part of the analysis' record.
        cache: of the child.
    """

    video: str
    audio: str
    output: str
    options: dict[str, Any]
    kills: list[float | tuple[str, int]]
    segment_seconds: str = "4"
    part_frames: int = 250
    cache: str = ""


def run_job(job: Job, folder: Path) -> list[dict[str, Any]]:
    """Run a job in a process of its own; what each trial gave."""
    path = folder / "job.json"
    path.write_text(json.dumps(asdict(job)))
    command = [sys.executable, "-m", "tests.support.killing", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(path: Path) -> None:
    from fractions import Fraction

    job = Job(**json.loads(path.read_text()))
    segments.SEGMENT_SECONDS = Fraction(job.segment_seconds)
    analyse.PART_FRAMES = job.part_frames
    output = Path(job.output)
    began = time.monotonic()
    status = _child(job, None)
    whole = time.monotonic() - began
    assert status == 0, status
    expected = _taken(output)
    print(json.dumps({"kill": None, "seconds": whole, "sha256": expected}), flush=True)
    for kill in job.kills:
        _forget(job)
        status = _child(job, kill if isinstance(kill, list) else kill * whole)
        left = sorted(str(p.relative_to(output.parent)) for p in output.parent.glob(f"{output.name}*"))
        seen = {"kill": kill, "killed": status == -signal.SIGKILL, "left": left}
        seen["stage"] = _stage(output)
        began = time.monotonic()
        there, status = output.exists(), _child(job, None)
        seen["again"] = 0 if there and status == 1 else status  # an output that is there is not made again
        seen["seconds"] = time.monotonic() - began
        seen["same"] = _taken(output) == expected
        seen["clean"] = not output.with_name(f"{output.name}.lipdub").exists()
        print(json.dumps(seen), flush=True)


def _child(job: Job, kill: float | list[Any] | None) -> int:
    """Run in a child; its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.environ["LIPDUB_CACHE"] = job.cache
            if isinstance(kill, list):
                _arm(*kill)
            pipeline.sync(job.video, job.audio, job.output, **job.options)
            code = 0
        except BaseException as exc:
            print(type(exc).__name__, exc, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    if isinstance(kill, float):
        deadline = time.monotonic() + kill
        while time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _arm(moment: str, number: int) -> None:
    """Let this process kill itself at a moment."""
    count = 0

    def before(
        function: Callable[..., Any], harm: Callable[..., None] = lambda *_: None
    ) -> Callable[..., Any]:
        def armed(*args: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                harm(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **more)

        return armed

    def tear(self: journal.Journal, entry: Any) -> None:
        with self._path.open("ab") as file:
            file.write(journal._line(entry)[:-20])

    record = journal.Journal.record
    match moment:
        case "settle":
            picture.settle = before(picture.settle)
        case "entry":
            journal.Journal.record = before(record)
        case "torn entry":
            journal.Journal.record = before(record, tear)
        case "remux":
            pipeline.remux = before(pipeline.remux)
        case "written":
            remux.check_finished = before(remux.check_finished)
        case "publish":
            pipeline.publish = before(pipeline.publish)
        case "gone":
            shutil.rmtree = before(shutil.rmtree)


def _stage(output: Path) -> str:
    """How far a killed run came."""
    work = output.with_name(f"{output.name}.lipdub")
    if output.exists():
        return "done"
    if not (work / "journal.jsonl").exists():
        return "before rendering"
    lines = (work / "journal.jsonl").read_bytes().count(b"\n")
    if (work / f"finished{output.suffix}").exists():
        return f"remux ({lines} entries)"
    return f"rendering ({lines} entries)"


def _forget(job: Job) -> None:
    Path(job.output).unlink(missing_ok=True)
    shutil.rmtree(f"{job.output}.lipdub", ignore_errors=True)
    shutil.rmtree(Path(job.cache) / "analyses", ignore_errors=True)


def _taken(output: Path) -> str | None:
    return hashlib.sha256(output.read_bytes()).hexdigest() if output.exists() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
