"""Do what cases say, each in a process of its own with bounds on time, memory and disk, and judge the result.

``python -m tests.support.fuzzing SPECIMENS CASE…`` prints one line of JSON for each case; it is a program of
its own since it forks, which a process with threads should not.
"""

import contextlib
import gc
import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from lipdub import sync
from lipdub.compare import preview
from lipdub.deciding import write_plan
from lipdub.errors import LipdubError
from lipdub.media.probe import probe_video
from lipdub.options import SyncOptions
from lipdub.plan import EDIT, SAME, Plan, Reference, edits_at
from lipdub.speech import log_mel
from tests.support.cases import Case, make_case, prepare
from tests.support.jobs import BOX, SHARED, Painter, grey

SECONDS = 20
"""Of a processor, for each process of a case, and by the clock where nobody else uses the machine."""
MEGABYTES = 4096
"""Of address space beyond what the libraries take, and of resident memory."""
DISK_MEGABYTES = 400
GOOD = frozenset({"ok", "refused"})


@dataclass
class Outcome:
    """What became of a case.

    Attributes:
        name, what: of the case.
        verdict: ``ok``, ``refused``, or what was wrong: ``traceback``, ``hang``, ``signal``, ``memory``,
            ``disk``, ``unplayable``, ``left over``, ``message``, ``warning``, ``miscounted``.
        detail: the sentence of a refusal; what was wrong.
        seconds, megabytes: time and peak memory, that of ffmpeg included.
    """

    name: str
    what: str
    verdict: str
    detail: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.verdict in GOOD


@dataclass
class _Running:
    case: Case
    pid: int
    began: float
    looked: float
    stopped: str = ""


def run_cases(names: Iterable[int | str], specimens: Path, jobs: int = 1) -> Iterator[Outcome]:
    """Do cases, a few at a time; the specimens must have been prepared (see `warm_up`)."""
    waiting = iter(names)
    running: list[_Running] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        while True:
            while len(running) < jobs and (name := next(waiting, None)) is not None:
                running.append(_started(make_case(name, specimens, Path(base) / str(name).replace(" ", "_"))))
            if not running:
                return
            for run in [*running]:
                outcome = _looked_at(run)
                if outcome is not None:
                    running.remove(run)
                    shutil.rmtree(run.case.folder)
                    yield outcome
            time.sleep(0.01)


def warm_up(specimens: Path, names: Sequence[int | str]) -> None:
    """Make what these cases need, in a process of its own since encoders leave threads, and import it."""
    specimens.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if not pid:
        _ending(lambda: prepare(specimens, names))
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the specimens could not be made")
    log_mel(np.zeros(1, np.int16))
    if "LIPDUB_WEIGHTS" not in os.environ and (SHARED / "weights" / "face_landmarker.task").exists():
        os.environ["LIPDUB_WEIGHTS"] = str(SHARED / "weights")


def _ending(work: Any) -> None:
    """Do something and leave this process, whatever happens."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _started(case: Case) -> _Running:
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _ending(lambda: _child(case))
    return _Running(case, pid, time.monotonic(), time.monotonic())


def _looked_at(run: _Running) -> Outcome | None:
    """The outcome, if the case's process has ended; it is ended here if it goes over a bound."""
    pid, status, usage = os.wait4(run.pid, os.WNOHANG)
    now = time.monotonic()
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # an ffmpeg that outlived it
        outcome = _judged(run, status)
        outcome.seconds, outcome.megabytes = now - run.began, usage.ru_maxrss / 1024
        if outcome.good and outcome.megabytes > MEGABYTES:
            outcome.verdict, outcome.detail = "memory", f"{outcome.megabytes:.0f} MB"
        return outcome
    if not run.stopped and now - run.began > SECONDS * min(
        10, max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
    ):
        run.stopped = "hang"
    if not run.stopped and now - run.looked > 0.5:
        run.looked = now
        if _size(run.case.folder) > DISK_MEGABYTES << 20:
            run.stopped = "disk"
    if run.stopped:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    return None


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # files may be gone by the time they are looked at
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).stat().st_blocks * 512
    return total


def _judged(run: _Running, status: int) -> Outcome:
    case = run.case
    outcome = Outcome(case.name, case.what, run.stopped or "signal")
    report = _report_path(case)
    if run.stopped:
        outcome.detail = "over the bound"
        return outcome
    if os.WIFSIGNALED(status):
        outcome.detail = signal.Signals(os.WTERMSIG(status)).name
        outcome.verdict = "hang" if outcome.detail == "SIGXCPU" else "signal"
        return outcome
    if not report.exists():
        outcome.detail = f"ended with {status} and without a word"
        return outcome
    for name, value in json.loads(report.read_text()).items():
        setattr(outcome, name, value)
    if outcome.good:
        _look_for_left_overs(case, outcome)
    return outcome


def _look_for_left_overs(case: Case, outcome: Outcome) -> None:
    allowed = {*case.inputs, _report_path(case), case.folder / "log.txt"}
    allowed |= (
        {case.output} if outcome.verdict == "ok" else {case.output.with_name(f"{case.output.name}.lipdub")}
    )
    extra = sorted(path.name for path in case.folder.iterdir() if path not in allowed)
    if extra:
        outcome.verdict, outcome.detail = (
            "left over",
            f"{', '.join(extra)} ({outcome.verdict}: {outcome.detail})",
        )


def _report_path(case: Case) -> Path:
    return case.folder / "report.json"


def _child(case: Case) -> None:
    os.setpgid(0, 0)
    log = os.open(case.folder / "log.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (MEGABYTES << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 30,) * 2)
    report = _done(case)
    words = (case.folder / "log.txt").read_text(errors="replace")
    if report["verdict"] in GOOD and ("Traceback" in words or "Exception ignored" in words):
        report |= {"verdict": "warning", "detail": words[-500:]}
    _report_path(case).write_text(json.dumps(report))


class _Told(logging.Handler):
    """Remembers what would be told as notes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.notes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("lipdub"):
            self.notes.append(record.getMessage())


def _done(case: Case) -> dict[str, Any]:
    told = _Told()
    logging.getLogger().addHandler(told)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = ROADS[case.road](case)
            report = {"verdict": "ok", "detail": ""} if made is None else made
        except LipdubError as exc:
            report = _refused(case, exc)
        except Exception as exc:
            place = traceback.extract_tb(exc.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            report = {"verdict": "traceback", "detail": f"{type(exc).__name__} at {where}: {exc}"[:500]}
        gc.collect()
    notes = [*told.notes, *report.pop("notes", ())]
    if report["verdict"] in GOOD and caught:
        report = {"verdict": "warning", "detail": "; ".join(str(w.message) for w in caught)[:500]}
    if report["verdict"] in GOOD and any(not _is_sentence(note) for note in notes):
        report = {"verdict": "message", "detail": " | ".join(notes)[:500]}
    return report | {"notes": notes}


def _is_sentence(note: str) -> bool:
    return "\n" not in note and note.endswith((".", ".)")) and not re.match(r"-\d", note)


def _refused(case: Case, exc: LipdubError) -> dict[str, Any]:
    text = str(exc)
    wrong = []
    if "\n" in text:
        wrong.append("more than one line")
    if not text.endswith("."):
        wrong.append("no full stop")
    if not any(path.name in text for path in (*case.inputs, case.output)):
        wrong.append("no file is named")
    if exc.exit_code not in {1, 2}:
        wrong.append(f"exit code {exc.exit_code}")
    if case.output.exists():
        wrong.append("an output all the same")
    if resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime >= SECONDS:
        return {"verdict": "hang", "detail": f"ffmpeg went over the bound: {text}"}
    verdict = "message" if wrong else "refused"
    return {"verdict": verdict, "detail": f"{', '.join(wrong)}: {text}" if wrong else text}


def fitting_plan(case: Case) -> Plan | None:
    """A plan that changes every frame of the undamaged movie; None if the damaged one cannot be opened."""
    try:
        info = probe_video(case.movie)
    except LipdubError:
        return None
    references = (
        (Reference(BOX, picture=str(case.reference)),)
        if case.reference
        else (Reference(BOX, pts=info.start),)
    )
    ticks = min(1 / info.time_base, 2**40)
    pts = [round(info.start + n * ticks / 25) for n in range(10)]
    edits = edits_at(pts, BOX, reference=[0 if case.reference else n % 2 - 1 for n in range(10)])
    size = info.geometry.width, info.geometry.height
    assert SAME == -1
    return Plan("movie", size, info.time_base, info.origin, references, edits)


def _sync(case: Case, **more: Any) -> dict[str, Any] | None:
    # Without a plan, sync would look for faces; a movie that cannot be opened must not get so far.
    plan: Any = case.plan or fitting_plan(case)
    if plan is None:
        plan = _any_plan(case)
    result = sync(
        case.movie, case.sound, case.output, plan=plan, inpainter=Painter(grey), **case.options, **more
    )
    if not result.output.exists():
        return {"verdict": "unplayable", "detail": "there is no output"}
    problem, frames = _played(result.output)
    if problem:
        return {"verdict": "unplayable", "detail": problem, "notes": result.notes}
    if frames != result.frames:
        return {
            "verdict": "miscounted",
            "detail": f"{frames} frames, not {result.frames}",
            "notes": result.notes,
        }
    return {"verdict": "ok", "detail": "", "notes": result.notes}


def _any_plan(case: Case) -> Plan:
    from fractions import Fraction

    return Plan("movie", (160, 96), Fraction(1, 12_800), Fraction(0), (), np.empty(0, EDIT))


def _played(path: Path) -> tuple[str, int]:
    """What keeps a file from being played to its end, and how many pictures it has."""
    frames = 0
    with av.open(f"file:{path}") as container:
        if not (container.streams.video and container.streams.audio):
            return "picture or sound is missing", 0
        picture, sound = container.streams.video[0], container.streams.audio[0]
        heard = 0
        try:
            for packet in container.demux(picture, sound):
                try:
                    count = len(packet.decode())
                except av.error.FFmpegError as exc:
                    if packet.stream is picture:
                        return f"picture {frames}: {exc}", frames
                    continue  # a damaged packet of the dub that was copied
                frames += count if packet.stream is picture else 0
                heard += count if packet.stream is sound else 0
        except av.error.FFmpegError as exc:
            return f"after {frames} pictures: {exc}", frames
    return ("" if frames and heard else f"{frames} pictures, {heard} packets of sound"), frames


def _preview(case: Case) -> None:
    from fractions import Fraction

    if case.reference:
        case.options["reference"] = str(case.reference)
    options = {name: value for name, value in case.options.items() if name != "audio_offset"}
    preview(case.movie, case.sound, case.output, at=Fraction(1, 5), inpainter=Painter(grey), **options)
    probe_video(case.output)


def _plan(case: Case) -> None:
    write_plan(case.movie, case.output, SyncOptions(reference=case.options.get("reference", "same")))
    json.loads(case.output.read_text())


def _resume(case: Case) -> dict[str, Any] | None:
    """Leave the unfinished work, damage it, and go on from it: the output must be the same or refused."""
    from random import Random

    from tests.support.damage import damaged

    _sync(case, keep_work=True)
    work = case.output.with_name(f"{case.output.name}.lipdub")
    files = sorted(path for path in work.rglob("*") if path.is_file()) if work.is_dir() else []
    if not files:
        return None
    first = case.output.read_bytes()
    case.output.unlink()
    random = Random(case.name)
    chosen = random.choice(files)
    chosen.write_bytes(damaged(chosen.read_bytes(), "", random)[0])
    report = _sync(case)
    if report and report["verdict"] == "ok" and case.output.read_bytes() != first:
        return {"verdict": "unplayable", "detail": f"another output after {chosen.name} was damaged"}
    return report


ROADS = {"sync": _sync, "preview": _preview, "plan": _plan, "resume": _resume}


def main(arguments: Sequence[str]) -> None:
    specimens, names = Path(arguments[0]), arguments[1:]
    warm_up(specimens, names)
    for outcome in run_cases(names, specimens, jobs=2):
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
