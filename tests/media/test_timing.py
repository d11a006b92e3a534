"""Integer times: strictly increasing, exact, and the same however a stream is cut."""

import itertools
import math
import tracemalloc
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.media.frames import read_frame_at, read_timed
from lipdub.media.probe import probe_video
from lipdub.media.timing import (
    FARTHEST,
    DecodingTimes,
    ExactTimes,
    avi_rate,
    common_step,
    first_time,
    last_length,
    order_of,
    reorder_depth,
    rounding_note,
    whole_order,
)
from tests.support.media import ffmpeg, movie

USUAL = 40


def exact(times, start=0, usual=USUAL):
    clock = ExactTimes(start, usual)
    return [clock(*time if isinstance(time, tuple) else (time, None)) for time in times]


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([0, 40, 80], [(0, False), (40, False), (80, False)]),
        ([None, None, None], [(7, False), (47, False), (87, False)]),
        ([None, 40, None, 120], [(7, False), (40, False), (80, False), (120, False)]),
        ([(0, 25), None, (None, 10), None], [(0, False), (25, False), (65, False), (75, False)]),
        ([0, 40, 40, 80], [(0, False), (40, False), (41, True), (80, False)]),
        ([0, 40, 40, None, 90], [(0, False), (40, False), (41, True), (81, False), (90, False)]),
        ([0, 80, 40, 120], [(0, False), (80, False), (81, True), (120, False)]),
        ([0, 0, 0, 1, 40], [(0, False), (1, True), (2, True), (3, True), (40, False)]),
        ([-80, -40, 0], [(-80, False), (-40, False), (0, False)]),
        ([(0, 0), None, (None, -3), None], [(0, False), (40, False), (80, False), (120, False)]),
    ],
)
def test_times_that_are_missing_doubled_or_backwards(times, wanted):
    assert exact(times, start=7) == wanted


def test_a_clock_that_is_set_anew_goes_on():
    back = [n * USUAL for n in range(100)]
    assert exact([*back, *back]) == [(n * USUAL, n == 100) for n in range(200)]


def test_frames_out_of_order_are_not_taken_for_a_new_clock():
    times = [0, FARTHEST * USUAL, 0, FARTHEST * USUAL + 40]
    assert [time for time, _ in exact(times)] == [0, 640, 641, 680]


@pytest.mark.parametrize(
    ("times", "wanted"),
    [([12, 52], 12), ([None, None, 100], 20), ([None, 30], 5), ([None, None], 5), ([], 5), ([-7], -7)],
)
def test_the_first_time_is_counted_back_from_the_first_that_is_known(times, wanted):
    assert first_time(times, begin=5, usual=USUAL) == wanted


@pytest.mark.parametrize(
    ("duration", "end", "wanted"),
    [
        (None, None, 40),
        (0, None, 40),
        (33, None, 33),
        (33, 1050, 50),
        (33, 1073, 73),
        (33, 1074, 33),
        (90, 1020, 20),
        (90, 1180, 180),
        (33, 1000, 33),
        (33, 500, 33),
        (33, 10**15, 33),
    ],
)
def test_the_last_frame_ends_with_its_stream_where_that_is_plausible(duration, end, wanted):
    assert last_length(1000, duration, USUAL, end) == wanted


maybe = st.none() | st.integers(-(2**62), 2**62) | st.integers(-100, 1000)


@given(st.lists(st.tuples(maybe, st.none() | st.integers(-5, 200))), st.integers(-1000, 1000))
def test_times_always_increase(times, start):
    found = [time for time, _ in exact(times, start)]
    assert all(a < b for a, b in itertools.pairwise(found))


@given(st.lists(st.integers(-(2**62), 2**62), unique=True).map(sorted), st.data())
def test_good_times_stay_and_only_missing_ones_are_filled(times, data):
    assert exact(times) == [(time, False) for time in times]
    doubled = [time for time in times for _ in range(data.draw(st.integers(1, 2)))]
    moved = sum(b == a for a, b in itertools.pairwise(doubled))
    assert sum(flag for _, flag in exact(doubled)) >= moved


def shuffled(shown: list[int], depth: int, draw) -> list[int]:
    """An order of decoding in which no frame is decoded more than `depth` places later than shown."""
    left, order = list(enumerate(shown)), []
    while left:
        late = len(order) - left[0][0]
        choice = draw(st.integers(0, min(len(left) - 1, 6))) if late < depth else 0
        order.append(left.pop(choice)[1])
    return order


@st.composite
def streams(draw, ending=True):
    """Segments of pts in decoding order at a variable rate, and the usual length of a frame.

    With an `ending`, the frame that is shown last is decoded last, as a key frame is.
    """
    usual = draw(st.sampled_from([1, 2, 40, 512, 3003, 10**12]))
    step = st.integers(1, 3 * usual) | st.just(usual) | st.just(1) | st.integers(1, 2**50)
    steps = draw(st.lists(step, min_size=1, max_size=60))
    first = draw(st.integers(-1000, 1000) | st.integers(-(2**61), 2**61))
    shown = list(itertools.accumulate(steps, initial=first))
    cuts = sorted(draw(st.sets(st.integers(1, len(shown) - 1), max_size=8)))
    segments = []
    for begin, end in itertools.pairwise([0, *cuts, len(shown)]):
        last = ending and end == len(shown)
        body = shown[begin : end - last]
        depth = draw(st.integers(0, 4))
        segments.append(shuffled(body, depth, draw) + shown[end - last : end])
    return segments, usual


def orders(segments):
    return whole_order(order_of(pts) for pts in segments if pts)


def decoding(segments, usual):
    times = DecodingTimes(orders(segments), usual)
    return [times.of(segment) for segment in segments], times.delay


def check(segments, usual):
    parts, delay = decoding(segments, usual)
    dts = list(itertools.chain(*parts))
    pts = list(itertools.chain(*segments))
    shown, depth = sorted(pts), orders(segments).depth
    assert [len(part) for part in parts] == [len(segment) for segment in segments]
    assert all(a < b for a, b in itertools.pairwise(dts))
    assert all(d <= p for d, p in zip(dts, pts, strict=True))
    assert dts[depth:-1] == shown[: max(0, len(shown) - depth - 1)]
    assert dts[0] == shown[0] - delay
    # The sum of all differences is the length of the picture, but for the last frame's own.
    assert dts[-1] - dts[0] == shown[-1] - shown[0]
    # Of the packets before the first frame none waits for less than the first one (see `timing._lead`), but
    # where frames are so near that there is no other place.
    waits = [p - d for p, d in zip(pts[:depth], dts, strict=False)]
    crowded = any(b - a <= depth for a, b in itertools.pairwise(shown))
    assert min(waits, default=delay) >= delay - (depth if crowded else 0)
    return dts


@given(streams())
def test_decoding_times_of_any_stream(case):
    segments, usual = case
    dts = check(segments, usual)
    shown, order = sorted(itertools.chain(*segments)), orders(segments)
    delay = shown[0] - dts[0]
    assert delay <= max(order.depth, order.depth * usual)
    whole = list(itertools.chain(*segments))
    assert decoding([whole], usual)[0] == [dts]


@given(streams(ending=False))
def test_decoding_times_where_another_frame_is_decoded_last(case):
    segments, usual = case
    whole = list(itertools.chain(*segments))
    assert decoding([whole], usual)[0] == [check(segments, usual)]


@given(streams(), st.integers(1, 10))
def test_order_is_that_of_the_whole_stream(case, size):
    segments, _ = case
    whole = list(itertools.chain(*segments))
    order = orders(segments)
    assert order == orders([whole]) == orders([[], *segments, []])
    assert order.depth == reorder_depth(whole)
    assert order.tail == tuple(sorted(whole)[-FARTHEST - 2 :])
    assert order.head == tuple(whole[:FARTHEST])
    assert order.first == min(whole)
    assert order.last == whole[-1]
    shown = sorted(whole)
    assert order.closest == min((b - a for a, b in itertools.pairwise(shown)), default=0)
    assert all(time % order.step == 0 for time in whole) if order.step else whole == [0]


@pytest.mark.parametrize(
    ("segments", "usual", "wanted"),
    [
        ([[0]], 40, [0]),
        ([[5, 45]], 40, [5, 45]),
        ([[45, 5]], 40, [-35, 5]),
        ([[0, 160, 80, 40, 120], [200]], 40, [-80, -40, 0, 40, 80, 120]),
        ([[0, 3, 1, 2], [4, 7, 5, 6], [8]], 1, [-1, 0, 1, 2, 3, 4, 5, 6, 7]),
        ([[0, 3, 1, 2], [4, 8, 7]], 1, [-1, 0, 1, 2, 3, 4, 7]),
        ([[0, 120, 40, 80], [160]], 40, [-40, 0, 40, 80, 120]),
        ([[0, 120, 40, 119], [121]], 40, [-1, 0, 40, 119, 120]),
    ],
    ids=["one", "two", "two swapped", "pyramid", "ticks", "ends early", "regular", "short end"],
)
def test_decoding_times_by_hand(segments, usual, wanted):
    assert check(segments, usual) == wanted


def test_depth_by_hand():
    assert reorder_depth([]) == reorder_depth([7]) == reorder_depth([1, 2, 3]) == 0
    assert reorder_depth([0, 3, 1, 2]) == 1
    assert reorder_depth([0, 4, 2, 1, 3]) == 2
    assert reorder_depth([4, 3, 2, 1, 0]) == 4


def test_a_stream_without_packets_is_refused():
    with pytest.raises(ValueError, match="without packets"):
        orders([[], []])


@pytest.mark.parametrize("segments", [[[0, 40, 40]], [[0, 120, 40, 80], [81]], [[0, 40], [40, 80]]])
def test_segments_that_overlap_are_refused(segments):
    with pytest.raises(ValueError, match=r"share a time|a segment begins before"):
        orders(segments)


def segments_of_a_long_movie():
    """100,000 frames, 29.97 a second in ticks of 1/90000, cut every 100, each with a pyramid of B-frames."""
    for first in range(0, 100_000, 100):
        numbers = [first]
        for group in range(first + 1, first + 97, 4):
            numbers += [group + 3, group + 1, group, group + 2]
        numbers += range(first + 97, first + 100)
        yield [n * 3003 for n in numbers]


def test_nothing_drifts_in_100_000_frames():
    times = DecodingTimes(orders(segments_of_a_long_movie()), 3003)
    dts = [list(times.of(segment)) for segment in segments_of_a_long_movie()]
    assert times.delay == 2 * 3003
    assert list(itertools.chain(*dts)) == [(n - 2) * 3003 for n in range(100_000)]
    clock = ExactTimes(0, 3003)
    assert all(clock(n * 3003, 3003) == (n * 3003, False) for n in range(100_000))


def test_memory_does_not_grow_with_the_number_of_segments():
    tracemalloc.start()
    times = DecodingTimes(orders(segments_of_a_long_movie()), 3003)
    for segment in segments_of_a_long_movie():
        times.of(segment)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


B_FRAMES = {"bf": "3", "b-adapt": "0", "b-pyramid": "normal", "g": "100"}
RATES = [Fraction(24_000, 1001), Fraction(24), Fraction(30_000, 1001), Fraction(2213, 100)]
CUTS = [0, 7, 8, 20, 24]


def joined(folder, pts, time_base, suffix):
    """A movie written in segments of their own by x264, and joined with decoding times of the whole."""
    files = []
    for begin, end in itertools.pairwise(CUTS):
        files.append(folder / f"{begin}.mov")
        movie(files[-1], pts=pts[begin:end], time_base=time_base, size=(32, 32), options=B_FRAMES)
    segments = [[packet.pts for packet in packets_of(file)] for file in files]
    usual = round((pts[-1] - pts[0]) / (len(pts) - 1))
    times = DecodingTimes(orders(segments), usual)
    scale = str(time_base.denominator)
    options = {"video_track_timescale": scale, "movie_timescale": scale} if suffix != ".mkv" else {}
    output, first = av.open(str(folder / f"out{suffix}"), "w", options=options), av.open(str(files[0]))
    with output, first:
        stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = time_base
        for file in files:
            packets = packets_of(file)
            for packet in packets:
                if packet.pts == pts[-1] or (packet is packets[-1] and file == files[-1]):
                    packet.duration = usual
            for packet, dts in zip(packets, times.of([p.pts for p in packets]), strict=True):
                packet.dts, packet.stream = dts, stream
                output.mux(packet)
    return folder / f"out{suffix}"


def packets_of(path):
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rate", [*RATES, None], ids=str)
@pytest.mark.parametrize("start", [0, 4321])
def test_segments_of_an_encoder_joined(tmp_path, suffix, rate, start):
    """Also where the rate varies, which the encoder's own decoding times do not survive."""
    time_base = Fraction(1, 90_000)
    steps = [1, 90_000, 3000, 700, 3003, 2, 40_000, 1] * 3
    pts = [start + round(n / rate / time_base) for n in range(24)] if rate else None
    pts = pts or [start + time for time in itertools.accumulate(steps[:-1], initial=0)]
    path = joined(tmp_path, pts, time_base, suffix)
    with av.open(str(path)) as container:
        found = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        stream = container.streams.video[0]
        if suffix == ".mkv":
            assert found == [Fraction(int(time * time_base * 1000 + Fraction(1, 2)), 1000) for time in pts]
        else:
            assert found == [time * time_base for time in pts]
            usual = round((pts[-1] - pts[0]) / 23)
            assert stream.duration * stream.time_base == (pts[-1] + usual - pts[0]) * time_base
    shown = [
        line.split(",")
        for line in ffmpeg(
            "-copyts",
            "-i",
            str(path),
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "1:90000",
            "-f",
            "framehash",
            "-",
        )
        .decode()
        .splitlines()
        if not line.startswith("#")
    ]
    assert [Fraction(int(line[2])) * time_base for line in shown] == found


def test_frames_with_the_same_time_are_told(tmp_path):
    five = [n * 40 for n in range(5)]
    path = movie(tmp_path / "a.mkv", pts=five, time_base=Fraction(1, 1000), options={"bf": "0"})
    assert [(frame.pts, moved) for frame, moved in read_timed(probe_video(path))] == [
        (n, False) for n in five
    ]
    double = "setts=pts=if(eq(N\\,3)\\,80\\,PTS):dts=NOPTS"
    ffmpeg("-i", str(path), "-c", "copy", "-bsf:v", double, str(tmp_path / "b.mkv"))
    found = [(frame.pts, moved) for frame, moved in read_timed(probe_video(tmp_path / "b.mkv"))]
    assert found == [(0, False), (40, False), (80, False), (81, True), (160, False)]


def test_common_step_by_hand():
    assert common_step([]) == common_step([Fraction(0)]) == 0
    assert common_step([Fraction(1, 25), Fraction(2, 25), Fraction(5, 25)]) == Fraction(1, 25)
    assert common_step([Fraction(0), Fraction(-1, 4), Fraction(1, 6)]) == Fraction(1, 12)


@given(st.lists(st.fractions(max_denominator=10**6), min_size=1, max_size=8))
def test_all_times_are_multiples_of_their_common_step(times):
    step = common_step(times)
    counts = [int(time / step) for time in times] if step else []
    assert [count * step for count in counts] == times if step else not any(times)
    assert math.gcd(*counts) == (1 if step else 0)


@pytest.mark.parametrize(
    ("suffix", "step", "word"),
    [
        (".mkv", Fraction(1, 25), None),
        (".mkv", Fraction(1001, 24_000), "Matroska stores milliseconds"),
        (".MKV", Fraction(1, 90_000), "Matroska stores milliseconds"),
        (".webm", Fraction(1, 30), "WebM stores milliseconds"),
        (".webm", Fraction(0), None),
        (".ts", Fraction(1001, 30_000), None),
        (".ts", Fraction(1001, 24_000), "1/90000"),
        (".m2ts", Fraction(100, 2213), "1/90000"),
        (".mp4", Fraction(100, 2213), None),
        (".mov", Fraction(1, 12_800), None),
    ],
)
def test_what_a_container_rounds_is_said(suffix, step, word):
    note = rounding_note(suffix, step)
    assert note is None if word is None else word in note
    assert note is None or note.endswith("rounded, once.")


@pytest.mark.parametrize(
    ("rate", "step", "closest", "slots", "said"),
    [
        (Fraction(25), Fraction(1, 25), Fraction(1, 25), 25, False),
        (Fraction(30_000, 1001), Fraction(1, 1000), Fraction(33, 1000), Fraction(30_000, 1001), True),
        (Fraction(25), Fraction(1, 3200), Fraction(1, 200), 1000, True),
        (Fraction(25), Fraction(1, 200), Fraction(1, 200), 200, False),
        (Fraction(2213, 100), Fraction(100, 2213), Fraction(100, 2213), Fraction(2213, 100), False),
        (Fraction(25), Fraction(0), Fraction(0), 25, False),
    ],
    ids=["25", "29.97 in milliseconds", "variable", "variable on a grid", "22.13", "one frame"],
)
def test_an_avi_has_the_rate_that_keeps_the_times(rate, step, closest, slots, said):
    assert avi_rate(rate, step, closest) == slots
    assert (rounding_note(".avi", step, Fraction(slots)) is not None) == said


@pytest.mark.parametrize("time", [960, 920, 640], ids=["double", "backwards", "far back"])
def test_moved_times_are_the_same_from_wherever_one_reads(tmp_path, time):
    """The frame that moves is a key frame, which a search may land on."""
    keys = {"bf": "0", "g": "5", "keyint_min": "5", "sc_threshold": "0"}
    path = movie(tmp_path / "a.mkv", time_base=Fraction(1, 1000), count=35, options=keys, size=(32, 32))
    data, block = path.read_bytes(), b"\x81" + (25 * 40).to_bytes(2, "big")
    assert data.count(block) == 1
    path.write_bytes(data.replace(block, b"\x81" + time.to_bytes(2, "big")))
    info = probe_video(path)
    frames = [(frame.pts, frame.to_ndarray().tobytes()) for frame, _ in read_timed(info)]
    assert len(frames) == 35
    for number in range(22, 30):
        pts, picture = frames[number]
        assert [frame.pts for frame, _ in read_timed(info, info.seconds(pts))] == [
            p for p, _ in frames[number:]
        ]
        frame = read_frame_at(info, pts)
        assert (frame.pts, frame.to_ndarray().tobytes()) == (pts, picture)
