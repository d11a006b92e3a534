"""Time through the whole road: every frame keeps its own, and time 0 of the dub is time 0 of the movie.

What comes out is read by PyAV and by the ffmpeg program, without the readers of lipdub.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub import SyncOptions, sync
from lipdub.checks import check_job
from lipdub.errors import OptionError
from lipdub.faces.analyse import analyse
from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.timing import avi_rate, common_step, order_of, rounding_note
from lipdub.pipeline import SyncResult
from lipdub.planning import make_plan
from tests.support.faces import BlobLandmarker, draw_face
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import (
    click_file,
    click_offsets,
    decoded_sound,
    ffmpeg,
    images,
    movie,
    regular_pts,
)
from tests.support.picture import PictureWriter, picture_of

SIZE = (64, 48)
CLICKS = (0.06, 0.14)
B_FRAMES = {"bf": "3", "b-adapt": "0", "b-pyramid": "normal", "g": "8"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}
RATES = [
    *(Fraction(n, 1001) for n in (24_000, 30_000, 60_000)),
    *(Fraction(n) for n in (24, 25, 30, 50)),
    Fraction(2213, 100),
]
VARIABLE = [0, 512, 1024, 1100, 3000, 3020, 3600, 5000, 5640, 6000, 7000, 7640]
FINEST = Fraction(1, 15_360)
UNITS = {".mkv": 1000, ".webm": 1000, ".ts": 90_000}
"""Ticks a second of the containers that have their own."""


def rounded(time: Fraction, suffix: str) -> Fraction:
    """The time as the container stores it, rounded once and halves up."""
    unit = UNITS.get(suffix)
    return time if unit is None else Fraction((time * unit + Fraction(1, 2)).__floor__(), unit)


def zero(path: Path) -> Fraction:
    """What a player shows as time 0: in a transport stream, the first time of picture and sound."""
    with av.open(str(path)) as container:
        if container.format.name not in {"mpegts", "mpeg"}:
            return Fraction(0)
        return min(p.pts * p.time_base for p in container.demux() if p.size and p.pts is not None)


def shown(path: Path) -> list[Fraction]:
    """When a player shows each frame, in seconds, by PyAV."""
    begin = zero(path)
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
        if container.format.name == "avi":  # stores decoding times, and these have no B-frames
            return [frame.dts * frame.time_base for frame in frames]
        return [frame.pts * frame.time_base - begin for frame in frames]


def shown_by_ffmpeg(path: Path) -> list[Fraction]:
    """The same by the ffmpeg program."""
    how = ("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framehash", "-")
    lines = ffmpeg("-copyts", "-i", str(path), *how).decode().splitlines()
    unit = next(Fraction(line.split()[-1]) for line in lines if line.startswith("#tb"))
    return [int(line.split(",")[2]) * unit - zero(path) for line in lines if not line.startswith("#")]


def length(path: Path) -> Fraction | None:
    """Seconds of the picture as the container says them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.duration * stream.time_base if stream.duration else None


def dub_for(source: Path, seconds: float) -> Path:
    return click_file(source.with_name(f"{source.name}.dub.wav"), seconds=seconds, times=CLICKS)


def dubbed(source: Path, output: Path, seconds: float = 0.5) -> SyncResult:
    plan = plan_by_hand(source)
    return sync(source, dub_for(source, seconds), output, plan=plan, inpainter=Painter(grey))


def check(source: Path, output: Path, times: Sequence[Fraction]) -> SyncResult:
    """Make the output; its frames have these times, by both readers, and the clicks in the dub theirs."""
    result = dubbed(source, output)
    assert result.frames == len(times)
    late = first_sound(output)
    wanted = [rounded(time, output.suffix) + late for time in times]
    assert shown(output) == wanted
    assert shown_by_ffmpeg(output) == wanted
    samples, rate = decoded_sound(output, zero(output))
    # AAC in a transport stream begins with its priming, and so does the clock.
    np.testing.assert_allclose(click_offsets(samples[:, 0], rate, CLICKS), float(late), atol=1e-4)
    return result


def first_sound(path: Path) -> Fraction:
    """Seconds of priming that a transport stream begins with; it plays them."""
    return Fraction(1024, 48_000) if path.suffix == ".ts" else Fraction(0)


def made(path: Path, **about) -> Path:
    webm = path.suffix == ".webm"
    codec, options = ("libvpx-vp9", VP9) if webm else ("libx264", B_FRAMES)
    return movie(path, **{"codec": codec, "options": options, "size": SIZE, "count": 12} | about)


EVERY = [(suffix, rate) for suffix in (".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi") for rate in RATES]


@pytest.mark.parametrize(
    ("suffix", "rate"), EVERY, ids=lambda v: v if isinstance(v, str) else f"{float(v):.2f}"
)
def test_every_rate_in_every_container(tmp_path: Path, suffix: str, rate: Fraction):
    scale = Fraction(1, UNITS[suffix]) if suffix in UNITS else Fraction(1, rate.numerator)
    scale = 1 / rate if suffix == ".avi" else scale
    options = {} if suffix == ".webm" else {"options": B_FRAMES | {"bf": "0" if suffix == ".avi" else "3"}}
    if suffix == ".webm":
        options = {"options": VP9}
    source = made(tmp_path / f"a{suffix}", rate=rate, time_base=scale, **options)
    times = [time * scale for time in regular_pts(12, rate, scale)]
    assert shown(source) == times
    check(source, tmp_path / f"out{suffix}", times)
    if suffix in {".mp4", ".mov"}:
        assert length(tmp_path / f"out{suffix}") == length(source) == 12 / rate


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts"])
@pytest.mark.parametrize("start", [0, 1000], ids=["from 0", "late"])
def test_a_variable_rate_in_other_containers(tmp_path: Path, suffix: str, start: int):
    source = made(tmp_path / "a.mp4", pts=[start + time for time in VARIABLE], time_base=FINEST)
    times = [(start + time) * FINEST for time in VARIABLE]
    assert shown(source) == times
    check(source, tmp_path / f"out{suffix}", times)


@pytest.mark.parametrize("source", [".mov", ".mkv", ".webm", ".ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_constant_rate_from_other_containers(tmp_path: Path, source: str, suffix: str):
    rate, scale = Fraction(30_000, 1001), Fraction(1, UNITS.get(source, 30_000))
    path = made(tmp_path / f"a{source}", rate=rate, time_base=scale)
    times = [time * scale for time in regular_pts(12, rate, scale)]
    assert shown(path) == times
    check(path, tmp_path / f"out{suffix}", times)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_open_groups_of_pictures(tmp_path: Path, suffix: str):
    options = {"bf": "3", "g": "5", "x264-params": "open-gop=1"}
    source = made(tmp_path / "a.mp4", options=options)
    check(source, tmp_path / f"out{suffix}", [Fraction(n, 25) for n in range(12)])


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
@pytest.mark.parametrize("late", ["picture", "sound"])
@pytest.mark.parametrize("form", [".mp4", ".ts", ".mkv"])
def test_streams_that_start_late(tmp_path: Path, form: str, late: str, suffix: str):
    """Time 0 is that of the container; in a transport stream, that of whatever comes first."""
    bare, sound = made(tmp_path / "bare.mp4"), click_file(tmp_path / "s.wav", seconds=0.5, times=(0.1,))
    delay = ("-itsoffset", "0.2")
    picture_late = late == "picture"
    given = [*(() if picture_late else delay), "-i", str(sound), *(delay if picture_late else ())]
    given += ["-i", str(bare), "-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "flac"]
    if form == ".ts":
        given[-1] = "mp2"
    ffmpeg(*given, str(tmp_path / f"a{form}"))
    times = shown(tmp_path / f"a{form}")  # MP2 has a priming of its own
    begin = pytest.approx(0.2, abs=0.0101) if picture_late else 0
    assert times[0] == begin
    assert times == [times[0] + Fraction(n, 25) for n in range(12)]
    check(tmp_path / f"a{form}", tmp_path / f"out{suffix}", times)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_clock_of_a_transport_stream_is_exact(tmp_path: Path, suffix: str):
    """Its first time, 1.40001…, is no whole number of microseconds."""
    first = 126_001
    pts = [first + time for time in regular_pts(12, Fraction(60_000, 1001), Fraction(1, 90_000))]
    source = made(tmp_path / "a.ts", pts=pts, time_base=Fraction(1, 90_000))
    assert probe_video(source).origin == zero(source)
    check(source, tmp_path / f"out{suffix}", [Fraction(time - first, 90_000) for time in pts])


def test_a_transport_stream_whose_clock_overflows(tmp_path: Path):
    source = made(tmp_path / "a.ts")
    overflow = str((2**33 - 20_000) / 90_000)
    ffmpeg("-i", str(source), "-c", "copy", "-output_ts_offset", overflow, str(tmp_path / "b.ts"))
    check(tmp_path / "b.ts", tmp_path / "out.mp4", [Fraction(n, 25) for n in range(12)])


def test_two_transport_streams_in_one_file_play_one_after_the_other(tmp_path: Path):
    """The second one sets the clock back, by more than frames may be out of order."""
    one = made(tmp_path / "a.ts", count=20).read_bytes()
    (tmp_path / "both.ts").write_bytes(one * 2)
    check(tmp_path / "both.ts", tmp_path / "out.mp4", [Fraction(n, 25) for n in range(40)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_an_edit_list_that_trims(tmp_path: Path, suffix: str):
    whole = made(tmp_path / "whole.mp4", options={"bf": "2", "g": "30"}, count=18)
    ffmpeg("-ss", "0.24", "-i", str(whole), "-c", "copy", str(tmp_path / "a.mp4"))
    times = [Fraction(n, 25) for n in range(12)]
    assert shown(tmp_path / "a.mp4") == times
    check(tmp_path / "a.mp4", tmp_path / f"out{suffix}", times)


def test_frames_before_an_edit_list_stay_out(tmp_path: Path):
    """The first frame lies before time 0; what a player shows is where the others are."""
    source = made(tmp_path / "a.mov", pts=[time - 512 for time in VARIABLE], time_base=FINEST)
    times = [(time - 512) * FINEST for time in VARIABLE[1:]]
    assert shown(source) == times
    check(source, tmp_path / "out.mov", times)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_interlaced_pictures(tmp_path: Path, suffix: str):
    plain = made(tmp_path / "plain.mp4", count=24, rate=Fraction(50), time_base=Fraction(1, 50))
    field = ("-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme", "-c:v", "libx264", "-bf", "2")
    ffmpeg("-i", str(plain), *field, str(tmp_path / "a.mp4"))
    assert probe_video(tmp_path / "a.mp4").interlaced
    check(tmp_path / "a.mp4", tmp_path / f"out{suffix}", [Fraction(n, 25) for n in range(12)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_stream_without_any_times(tmp_path: Path, suffix: str):
    made(tmp_path / "a.mp4")
    ffmpeg("-i", str(tmp_path / "a.mp4"), "-c", "copy", str(tmp_path / "a.h264"))
    check(tmp_path / "a.h264", tmp_path / f"out{suffix}", [Fraction(n, 25) for n in range(12)])


@pytest.mark.parametrize("form", [".avi", ".flv", ".mpg"])
def test_other_sources(tmp_path: Path, form: str):
    """AVI has decoding times only, and shows B-frames late; the clock of MPEG-PS floats."""
    about = {"codec": "mpeg2video", "options": {"bf": "2"}} if form == ".mpg" else {}
    source = made(tmp_path / f"a{form}", time_base=Fraction(1, 1000 if form == ".flv" else 25), **about)
    times = shown_by_ffmpeg(source)
    assert times == [times[0] + Fraction(n, 25) for n in range(12)]
    check(source, tmp_path / "out.mp4", times)


def patched(folder: Path, old: int, new: int) -> Path:
    """A Matroska file, a frame every 40 ms, in which one block has another time."""
    source = made(folder / "plain.mkv", time_base=Fraction(1, 1000), options={"bf": "0"})
    data, block = source.read_bytes(), b"\x81" + old.to_bytes(2, "big")
    assert data.count(block) == 1
    (folder / "a.mkv").write_bytes(data.replace(block, b"\x81" + new.to_bytes(2, "big")))
    return folder / "a.mkv"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("time", [160, 120], ids=["double", "backwards"])
def test_times_that_do_not_increase_move_by_a_tick(tmp_path: Path, time: int, suffix: str):
    source = patched(tmp_path, 200, time)
    times = [Fraction(n, 25) for n in range(12)]
    assert shown(source)[5] == Fraction(time, 1000)
    times[5] = Fraction(161, 1000)
    check(source, tmp_path / f"out{suffix}", times)


def test_times_that_move_are_said(tmp_path: Path):
    result = dubbed(patched(tmp_path, 200, 160), tmp_path / "out.mkv")
    assert any("moved by one tick" in note for note in result.notes)


@pytest.mark.parametrize(("suffix", "rate"), [(".mkv", 24), (".webm", 30), (".ts", Fraction(2213, 100))])
def test_what_is_rounded_is_said_once(tmp_path: Path, suffix: str, rate: Fraction):
    source = made(tmp_path / "a.mp4", rate=Fraction(rate), time_base=1 / Fraction(rate))
    result = dubbed(source, tmp_path / f"out{suffix}")
    assert len([note for note in result.notes if "rounded, once" in note]) == 1


@pytest.mark.parametrize(("suffix", "rate"), [(".mkv", 25), (".webm", 50), (".ts", 30), (".mp4", 24)])
def test_nothing_is_said_where_nothing_is_rounded(tmp_path: Path, suffix: str, rate: int):
    source = made(tmp_path / "a.mp4", rate=Fraction(rate), time_base=Fraction(1, rate))
    assert not any("rounded" in note for note in dubbed(source, tmp_path / f"out{suffix}").notes)


def test_a_variable_rate_in_an_avi(tmp_path: Path):
    """The mean rate is 25 exactly, and no frame but the first lies where that has one."""
    steps = [20, 60, 30, 50, 40, 40, 70, 10, 40, 35, 45]
    pts = list(accumulate(steps, initial=0))
    source = made(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 1000), options={"bf": "0"})
    assert probe_video(source).rate == 25
    check(source, tmp_path / "out.avi", [Fraction(time, 1000) for time in pts])


@pytest.mark.parametrize(
    ("steps", "slots"), [([20, 60, 30, 50, 40, 40], 100), ([40, 41, 39, 1, 79, 40], 1000), ([40] * 6, 25)]
)
def test_an_avi_of_the_rate_that_keeps_the_times(tmp_path: Path, steps: list[int], slots: int):
    """What the pipeline has to do for it, by hand."""
    pts = list(accumulate(steps, initial=0))
    source = made(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 1000), options={"bf": "0"})
    info, dub = probe_video(source), probe_audio(dub_for(source, 0.28))
    encoding = choose_encoding(info, ".avi")
    with PictureWriter(tmp_path / "picture.mov", info, encoding) as writer:
        for frame in read_frames(info):
            writer.write(frame)
    order = order_of(pts)
    step = common_step([order.step * info.time_base, info.origin])
    rate = avi_rate(info.rate, step, order.closest * info.time_base)
    assert rate == slots
    assert rounding_note(".avi", step, rate) is None
    sound, output = choose_sound(dub, ".avi", True, Fraction(0)), tmp_path / "out.avi"
    job = Remux(
        info,
        picture_of(tmp_path / "picture.mov", info),
        dub,
        sound,
        Fraction(280, 1000),
        False,
        (),
        slots=rate,
    )
    remux(job, output, ".avi")
    assert shown(output) == shown_by_ffmpeg(output) == [Fraction(time, 1000) for time in pts]


GAP = [0, 512, 1024, 1536, 512 * 50, 512 * 51, 512 * 52]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_gap_among_b_frames_does_not_lengthen_the_sound(tmp_path: Path, suffix: str):
    source = made(tmp_path / "a.mp4", pts=GAP, time_base=Fraction(1, 12_800))
    assert length(source) == Fraction(53, 25)
    output = tmp_path / f"out{suffix}"
    dubbed(source, output)
    with av.open(str(output)) as container:
        assert container.duration / 1e6 == pytest.approx(53 / 25, abs=0.03)


def test_a_gap_among_b_frames_does_not_lengthen_the_picture(tmp_path: Path):
    """Matroska's length is where its last packet ends, if no packet of the picture claims to last longer."""
    source = made(tmp_path / "a.mp4", pts=[*GAP, 512 * 90], time_base=Fraction(1, 12_800))
    check(source, tmp_path / "out.mkv", [Fraction(n, 25) for n in (0, 1, 2, 3, 50, 51, 52, 90)])
    with av.open(str(tmp_path / "out.mkv")) as container:
        ends = [(p.pts + p.duration) * p.time_base for p in container.demux(video=0) if p.size]
        assert max(ends) <= container.duration * Fraction(1, 10**6)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_many_frames_do_not_drift(tmp_path: Path, suffix: str):
    """10,000 frames of 23.976 a second: each is where it was, the last one as the first."""
    rate, scale = Fraction(24_000, 1001), Fraction(1, 24_000)
    pts = regular_pts(10_000, rate, scale)
    image = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
    quick = {"preset": "ultrafast", "g": "250"}
    source = movie(
        tmp_path / "a.mp4", pts=pts, time_base=scale, rate=rate, size=(16, 16), options=quick,
        frames=(image for _ in pts),
    )  # fmt: skip
    plan = plan_by_hand(source, frames=slice(0, 1), box=(2.0, 2.0, 8.0, 8.0, 0.0))
    output = tmp_path / f"out{suffix}"
    sync(source, dub_for(source, 1.0), output, plan=plan, inpainter=Painter(grey))
    found = shown(output)
    assert found == [rounded(time * scale, suffix) + first_sound(output) for time in pts]


def test_a_start_and_an_end_cut_nothing(tmp_path: Path):
    """In seconds of a player, also where the picture starts late; all frames and all the sound are there."""
    face = (16, 4, 32, 40)
    frames = []
    for image in images((96, 64), 20, noise=False):
        draw_face(image, face)
        frames.append(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0"))
    pts = [200 + 40 * number for number in range(20)]
    source = movie(
        tmp_path / "a.mkv", codec="ffv1", pix_fmt="bgr0", size=(96, 64), pts=pts,
        time_base=Fraction(1, 1000), frames=frames,
    )  # fmt: skip
    info = probe_video(source)
    limits = Fraction(2, 5), Fraction(7, 10)
    plan = make_plan(analyse(info, BlobLandmarker(), *limits), info)
    dub = click_file(tmp_path / "dub.wav", seconds=1.0, times=(0.1, 0.5, 0.9))
    result = sync(source, dub, tmp_path / "out.mkv", plan=plan, inpainter=Painter(grey))
    before, after = (list(read_frames(probe_video(path))) for path in (source, tmp_path / "out.mkv"))
    assert [frame.pts for frame in after] == pts
    changed = [
        b.pts
        for a, b in zip(before, after, strict=True)
        if not np.array_equal(a.to_ndarray(format="rgb24"), b.to_ndarray(format="rgb24"))
    ]
    assert changed == [time for time in pts if 400 <= time < 700]
    assert result.changed == len(changed)
    samples, rate = decoded_sound(tmp_path / "out.mkv")
    assert len(samples) == rate
    assert np.abs(click_offsets(samples[:, 0], rate, (0.1, 0.5, 0.9))).max() < 1e-4


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_picture_that_starts_late_ends_later(tmp_path: Path, suffix: str):
    """What --start is compared with counts from time 0 of a player, and so does what is left to analyse."""
    pts = [500 + 40 * number for number in range(12)]
    source = made(tmp_path / f"a{suffix}", pts=pts, time_base=Fraction(1, 1000))
    info = probe_video(source)
    begin = Fraction(0) if suffix == ".ts" else Fraction(1, 2)
    assert info.seconds(info.start) == begin
    assert info.duration == pytest.approx(12 / 25, abs=0.04)
    assert info.until == info.duration + begin
    assert info.frames == 12
    check_job(
        source, dub_for(source, 0.5), tmp_path / "out.mp4", SyncOptions(start=begin + Fraction(2, 5)), None
    )
    with pytest.raises(OptionError, match="after the end"):
        late = SyncOptions(start=begin + Fraction(3, 5))
        check_job(source, dub_for(source, 0.5), tmp_path / "out.mp4", late, None)


@pytest.mark.parametrize("start", [0, 700])
def test_mp4_says_where_its_picture_ends(tmp_path: Path, start: int):
    source = made(tmp_path / "a.mp4", pts=[start + 512 * number for number in range(12)])
    assert probe_video(source).end == start + 512 * 12
    assert probe_video(made(tmp_path / "a.mkv")).end is None


def test_times_increase_in_what_this_module_makes():
    assert all(a < b for times in (VARIABLE, GAP) for a, b in pairwise(times))
