"""--codec, --quality and --hwaccel: what is chosen, what is refused, and that it is the same every time."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipdub import sync
from lipdub.errors import OptionError
from lipdub.media import nvenc
from lipdub.media.encoders import ENCODERS, SCALES, plain_name
from lipdub.media.encoding import choose_encoding
from lipdub.media.fields import FieldOrder
from lipdub.media.priority import leave_real_time
from lipdub.media.probe import probe_video
from lipdub.options import CODECS, DEFAULT_QUALITY
from tests.support.formats import SCREEN, packets_of, planes_of, rewritten
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, movie, still

EXPLICIT = [codec for codec in CODECS if codec != "auto"]
FAMILY = {"dnxhr": "dnxhd"}
CARRIED = {
    "h264": (".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts", ".avi"),
    "hevc": (".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts"),
    "av1": (".mp4", ".m4v", ".mkv", ".webm"),
    "vp9": (".mp4", ".mkv", ".webm"),
    "prores": (".mov", ".mkv"),
    "dnxhr": (".mov",),
    "ffv1": (".mkv", ".avi"),
}
TODAY = {
    "h264": {"crf": "16", "preset": "medium"},
    "hevc": {"crf": "17", "preset": "fast"},
    "av1": {"crf": "18", "preset": "8"},
    "vp9": {"crf": "16", "b": "0", "deadline": "good", "cpu-used": "4"},
    "vp8": {"crf": "4", "b": "20M"},
    "prores": {"profile": "hq"},
    "dnxhd": {"profile": "dnxhr_hq"},
    "ffv1": {"level": "3"},
    "mjpeg": {"qmin": "2", "qmax": "3"},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    """Twelve lossless frames, large enough for DNxHR."""
    path = tmp_path_factory.mktemp("source") / "movie.mkv"
    return probe_video(movie(path, codec="ffv1", size=(256, 144), count=12))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory):
    """Another part of the same movie: other pictures, the same format."""
    path = tmp_path_factory.mktemp("other") / "movie.mkv"
    return probe_video(movie(path, codec="ffv1", size=(256, 144), count=5, noise=False))


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts"])
@pytest.mark.parametrize("codec", EXPLICIT)
def test_the_codec_asked_for_or_a_sentence(source, codec: str, suffix: str):
    if suffix in CARRIED[codec]:
        encoding = choose_encoding(source, suffix, codec=codec)
        assert encoding.encoder == ENCODERS[FAMILY.get(codec, codec)]
        assert not any("becomes" in note and plain_name("ffv1") in note for note in encoding.notes)
        return
    with pytest.raises(OptionError) as error:
        choose_encoding(source, suffix, codec=codec)
    assert str(error.value).startswith(
        f"--codec {codec}: {suffix} files do not carry {plain_name(codec)} well"
    )
    assert str(error.value).endswith(f"{', '.join(CARRIED[codec])}.")


@pytest.mark.parametrize("codec", EXPLICIT)
def test_the_codec_asked_for_is_in_the_file(tmp_path: Path, source, codec: str):
    path, _ = rewritten(source, CARRIED[codec][0], tmp_path, codec=codec)
    assert probe_video(path).codec == FAMILY.get(codec, codec)


def test_a_wrong_container_is_said_before_any_work(tmp_path: Path):
    path = movie(tmp_path / "movie.mp4", count=3)
    dub = click_file(tmp_path / "dub.wav", seconds=0.12, times=(0.06,))
    painter = Painter(grey)
    with pytest.raises(OptionError, match=r"--codec vp9: \.mov files do not carry VP9 well"):
        sync(path, dub, tmp_path / "out.mov", plan=plan_by_hand(path), inpainter=painter, codec="vp9")
    assert not painter.mels
    assert not (tmp_path / "out.mov").exists()


def test_dnxhr_has_a_least_size(tmp_path: Path):
    info = probe_video(movie(tmp_path / "a.mp4", count=2, size=(160, 96)))
    with pytest.raises(OptionError, match="DNxHR needs 256×120 pixels at least"):
        choose_encoding(info, ".mov", codec="dnxhr")


def test_a_picture_becomes_a_movie_of_the_codec_asked_for(tmp_path: Path):
    info = probe_video(still(tmp_path / "face.png", (256, 144)))
    assert choose_encoding(info, ".mov").encoder.name == "libx264"
    encoding = choose_encoding(info, ".mov", codec="prores")
    assert (encoding.encoder.name, encoding.pix_fmt) == ("prores_ks", "yuv444p10le")
    assert choose_encoding(info, ".mkv", codec="ffv1").pix_fmt == "yuv420p"


@pytest.mark.parametrize("family", ENCODERS)
def test_the_default_quality_is_visually_lossless_as_ever(source, family: str):
    suffix = ENCODERS[family].containers[0]
    options = choose_encoding(replace(source, codec=family), suffix, quality=DEFAULT_QUALITY).options
    assert TODAY[family].items() <= dict(options).items()


def test_scales_are_straight_lines_through_their_ends():
    for name, scale in SCALES.items():
        values = [float(next(iter(scale.options(quality).values()))) for quality in range(101)]
        assert values == sorted(values, reverse=True), name
        steps = -np.diff([v for v in values if v > scale.least])
        assert steps.max() - steps.min() <= (1 if scale.whole else 0.011), name
        assert values[0] == scale.worst
        assert values[100] == max(scale.best, scale.least)


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt", "qualities"),
    [
        ("h264", ".mp4", "yuv420p", (0, 30, 60, 80, 100)),
        ("hevc", ".mp4", "yuv420p10le", (0, 30, 60, 80, 100)),
        ("av1", ".mp4", "yuv420p", (0, 30, 60, 80, 100)),
        ("vp9", ".webm", "yuv420p", (0, 30, 60, 80, 100)),
        ("prores", ".mov", "yuv422p10le", (0, 30, 60, 80)),
        ("prores", ".mov", "yuv444p10le", (80, 100)),
        ("dnxhr", ".mov", "yuv422p", (0, 50, 80)),
        ("auto", ".mov", "yuvj420p", (0, 30, 60, 80, 100)),  # of a Motion JPEG
    ],
)
def test_size_and_likeness_grow_with_quality(
    tmp_path: Path, codec: str, suffix: str, pix_fmt: str, qualities: tuple[int, ...]
):
    plain, size = pix_fmt.replace("j", ""), (320, 192)
    # A coarse quantiser smooths noise away and may be nearer to it than a finer one that tries to keep it.
    noise = codec in {"prores", "dnxhr"}
    path = movie(tmp_path / "movie.mkv", codec="ffv1", pix_fmt=plain, size=size, count=6, noise=noise)
    info = probe_video(path)
    frames = planes_of(info)
    info = replace(info, codec="mjpeg") if codec == "auto" else info
    sizes, likeness = [], []
    for quality in qualities:
        written, _ = rewritten(info, suffix, tmp_path, codec=codec, quality=quality)
        sizes.append(sum(map(len, packets_of(written)[1])))
        likeness.append(_likeness(frames, planes_of(probe_video(written))))
    print(codec, pix_fmt, sizes, np.round(likeness, 1))  # noqa: T201
    assert (np.diff(sizes) > 0).all(), sizes
    assert (np.diff(likeness) > 0).all(), likeness
    assert likeness[qualities.index(80)] > 38


def _likeness(before: list[list[np.ndarray]], after: list[list[np.ndarray]]) -> float:
    """PSNR of luma in dB, at the depth of each."""
    assert len(before) == len(after)
    one, two = (np.stack([planes[0] for planes in frames]).astype(float) for frames in (before, after))
    one, two = (part / 2.0 ** np.ceil(np.log2(part.max() + 1)) for part in (one, two))
    return float(-10 * np.log10(np.mean((one - two) ** 2)))


def test_ffv1_is_lossless_at_every_quality(tmp_path: Path, source):
    packets = [packets_of(rewritten(source, ".mkv", tmp_path, quality=q)[0]) for q in (0, 100)]
    assert packets[0] == packets[1]


def test_prores_keeps_the_sources_profile_at_the_default_only(tmp_path: Path):
    path = movie(
        tmp_path / "a.mov", codec="prores_ks", pix_fmt="yuv422p10le", options={"profile": "1"}, count=2
    )
    info = probe_video(path)
    assert choose_encoding(info, ".mov").options["profile"] == "lt"
    assert choose_encoding(info, ".mov", quality=100).options["profile"] == "hq"
    assert choose_encoding(info, ".mov", quality=10).options["profile"] == "proxy"


class Neighbours:
    """Other programs that keep every core busy."""

    def __enter__(self) -> None:
        command = [sys.executable, "-c", "while True: pass"]
        self._busy = [subprocess.Popen(command) for _ in range((os.cpu_count() or 1) + 1)]

    def __exit__(self, *_: object) -> None:
        for process in self._busy:
            process.kill()
            process.wait()


# The last two: HEVC with the model of a buffer, which interlaced pictures need; HDR in every stream.
VARIANTS = [(codec, {}) for codec in (*EXPLICIT, "vp8", "mjpeg")] + [
    ("hevc", {"interlaced": True, "fields": FieldOrder.TOP}),
    *((codec, {"hdr": SCREEN}) for codec in ("h264", "hevc", "av1")),
]


@pytest.mark.parametrize(("codec", "more"), VARIANTS, ids=str)
def test_the_same_frames_give_the_same_bytes_under_any_load(tmp_path: Path, source, codec: str, more: dict):
    info = replace(source, **more, codec=FAMILY.get(codec, codec))
    suffix = ENCODERS[info.codec].containers[0]
    first = packets_of(rewritten(info, suffix, tmp_path)[0])
    with Neighbours():
        assert packets_of(rewritten(info, suffix, tmp_path)[0]) == first
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        try:
            assert packets_of(rewritten(info, suffix, tmp_path)[0]) == first
        finally:
            os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(("codec", "more"), VARIANTS, ids=str)
def test_a_new_encoder_begins_as_the_last_one_did(tmp_path: Path, source, other, codec: str, more: dict):
    """What a decoder needs beforehand does not depend on the pictures, so that segments can be joined."""
    one, two = (replace(info, **more, codec=FAMILY.get(codec, codec)) for info in (source, other))
    suffix = ENCODERS[one.codec].containers[0]
    (first, pictures), (second, others) = (packets_of(rewritten(i, suffix, tmp_path)[0]) for i in (one, two))
    assert first == second
    assert pictures != others


def test_nothing_runs_in_real_time_after_av1(tmp_path: Path, source):
    """SVT-AV1 raises its priority where it may; every other program of the machine would wait for it."""
    if not hasattr(os, "sched_getscheduler"):
        pytest.skip("this system has no such priorities")
    rewritten(source, ".mp4", tmp_path, codec="av1")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("only root may raise priorities, and only then does SVT-AV1")
    leave_real_time()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def _has_nvenc() -> bool:
    return nvenc.trouble("h264_nvenc", "yuv420p") is None


def test_nvenc_that_is_not_there_is_said(source):
    if _has_nvenc():
        pytest.skip("this machine has it")
    sentence = r"no NVIDIA encoder of H\.264 can be opened here \(there is no NVIDIA card, .+\); leave it"
    with pytest.raises(OptionError, match=f"--hwaccel nvenc: {sentence}"):
        choose_encoding(source, ".mp4", codec="h264", hwaccel="nvenc")
    assert choose_encoding(source, ".mp4", codec="h264", hwaccel="auto") == choose_encoding(
        source, ".mp4", codec="h264"
    )


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt", "why"),
    [
        ("prores", ".mov", "yuv422p10le", "ProRes is not encoded by graphics cards"),
        ("vp9", ".webm", "yuv420p", "VP9 is not encoded by graphics cards"),
        ("h264", ".mp4", "yuv420p10le", "NVENC does not encode H.264 of the pixel format yuv420p10le"),
        ("hevc", ".mp4", "yuv422p10le", "NVENC does not encode HEVC of the pixel format yuv422p10le"),
    ],
)
def test_what_a_card_cannot_encode_is_done_in_software(
    source, codec: str, suffix: str, pix_fmt: str, why: str
):
    info = replace(source, pix_fmt=pix_fmt)
    encoding = choose_encoding(info, suffix, codec=codec, hwaccel="nvenc")
    assert encoding.encoder == ENCODERS[codec]
    assert encoding.notes == (f"{why}: it was encoded in software.",)
    assert choose_encoding(info, suffix, codec=codec, hwaccel="auto").notes == ()


def test_a_card_takes_over_where_it_can(source, monkeypatch: pytest.MonkeyPatch):
    """The choice only: it needs a card to encode."""
    monkeypatch.setattr(nvenc, "trouble", lambda *_: None)
    for pix_fmt, codec, taken in (
        ("yuv420p", "h264", "yuv420p"),
        ("yuv420p10le", "hevc", "p010le"),
        ("yuv420p10le", "av1", "p010le"),
    ):
        encoding = choose_encoding(replace(source, pix_fmt=pix_fmt), ".mp4", codec=codec, hwaccel="auto")
        assert (encoding.encoder.name, encoding.pix_fmt) == (f"{codec}_nvenc", taken)
        assert encoding.options["cq"] == {"h264": "19", "hevc": "20", "av1": "22"}[codec]
