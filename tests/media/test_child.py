"""ffmpeg as a child: it ends with its parent, cannot fill memory with words, and says why it failed."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import imageio_ffmpeg
import pytest

from lipdub.errors import RenderError
from lipdub.media.child import Child

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ENDLESS = [FFMPEG, "-v", "error", "-f", "lavfi", "-i", "anullsrc", "-f", "wav", "pipe:1"]


def gone(pid):
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":  # nobody waited for it yet
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_a_killed_parent_leaves_no_ffmpeg_behind():
    program = f"""
import os, signal
from lipdub.media.child import Child
child = Child({ENDLESS!r})
with child.opened("wav") as sound:
    next(sound.decode(audio=0))
    print(child._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert gone(int(done.stdout))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_ends_it(error):
    with pytest.raises(error), Child(ENDLESS) as child, child.opened("wav") as sound:
        next(sound.decode(audio=0))
        raise error
    assert child._process.poll() == -signal.SIGKILL
    assert not child._words._thread.is_alive()


def test_gigabytes_of_words_do_not_fill_memory():
    lines = "import sys\nprint('cause', file=sys.stderr)\n"
    lines += "for _ in range(300): print('x' * 99_999, file=sys.stderr)\n"  # 30 MB, in long lines
    lines += "print('end', file=sys.stderr); sys.exit(1)\n"
    tracemalloc.start()
    try:
        with Child([sys.executable, "-c", lines]) as child, pytest.raises(RenderError, match="cause … end"):
            list(child.watched(iter([])))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_its_failure_is_one_sentence(tmp_path):
    child = Child([FFMPEG, "-v", "error", "-i", f"file:{tmp_path}/none.wav", "-f", "wav", "pipe:1"])
    with child, pytest.raises(RenderError, match="No such file") as caught, child.opened("wav"):
        pass
    assert "\n" not in str(caught.value)


def test_a_binary_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RenderError, match="could not be started"):
        Child([str(tmp_path / "ffmpeg")])


def test_what_it_makes_is_read_to_the_end():
    command = [FFMPEG, "-v", "error", "-f", "lavfi", "-i", "sine=d=3:r=8000", "-f", "wav", "pipe:1"]
    with Child(command) as child, child.opened("wav") as sound:
        frames = list(child.watched(sound.decode(audio=0)))
    assert sum(frame.samples for frame in frames) == 24_000
