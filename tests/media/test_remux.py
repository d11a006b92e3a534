"""The new picture, the dub and everything else of the movie in one file, read back by PyAV."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from lipdub.errors import RenderError
from lipdub.media import muxing
from lipdub.media.containers import FORMATS
from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.streams import choose_streams
from lipdub.media.tracklist import Stream
from lipdub.sampling import NETWORK_RATE
from tests.support.media import Extras, Tags, click_file, decoded_sound, ffmpeg, frame_times, movie
from tests.support.picture import PictureWriter, picture_of

SCENES = Path(__file__).parents[3] / "shared" / "footage" / "scenes"


def dubbed(source, dub, output, *, keep=False, language=None, limit=None):
    """The movie with its pictures encoded anew, and the dub, as the pipeline makes it; and all notes."""
    info, sound = probe_video(source), probe_audio(dub)
    encoding = choose_encoding(info, output.suffix)
    picture = output.parent / f"picture.{encoding.encoder.carrier}"
    end = Fraction(0)
    with PictureWriter(picture, info, encoding) as writer:
        for frame in read_frames(info, end=limit, still_length=Fraction(1)):
            length = frame.duration * info.time_base if frame.duration else 1 / info.rate
            end = max(end, info.seconds(frame.pts) + length)
            writer.write(frame)
    missing = end - Fraction(len(decode_for_network(sound, output.parent / "dub.pcm")), NETWORK_RATE)
    choice = choose_sound(sound, output.suffix, abs(missing) <= Fraction(1, 1000), missing)
    carried, notes = choose_streams(info, output.suffix, keep)
    hevc = encoding.encoder.name == "libx265"
    lost = remux(
        Remux(info, picture_of(picture, info), sound, choice, end, hevc, carried, language),
        output,
        output.suffix,
    )
    return [*encoding.notes, *choice.notes, *notes, *lost]


@pytest.fixture
def dub(tmp_path):
    return click_file(tmp_path / "dub.wav", seconds=0.6, times=(0.2,), rate=44_100)


def streams(path):
    """(kind, codec, language) of every stream."""
    with av.open(str(path)) as container:
        return [
            (s.type, s.codec_context.name if s.codec_context else None, s.metadata.get("language"))
            for s in container.streams
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".avi"])
@pytest.mark.parametrize("source", [".mp4", ".mkv", ".ts"])
def test_pictures_and_their_times_come_through(tmp_path, dub, source, suffix):
    path = movie(tmp_path / f"a{source}", count=15, sound=True)
    output = tmp_path / f"out{suffix}"
    dubbed(path, dub, output)
    info, new = probe_video(path), probe_video(output)
    before = [info.seconds(f.pts) for f in read_frames(info)]
    after = [new.seconds(f.pts) for f in read_frames(new)]
    assert len(after) == 15
    if suffix == ".ts":  # its time 0 is that of whatever comes first, the priming of AAC for one
        before, after = ([t - times[0] for t in times] for times in (before, after))
    late = [b - a for a, b in zip(before, after, strict=True)]
    tick = {".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000), ".ts": Fraction(1, 90_000)}.get(suffix, 0)
    if (source, suffix) == (
        ".ts",
        ".avi",
    ):  # AVI has whole frames, from time 0 on, and this source begins late
        late, tick = late[1:], Fraction(1, 50)
    assert max(abs(n) for n in late) <= tick
    assert [kind for kind, *_ in streams(output)] == ["video", "audio"]


@pytest.mark.parametrize("dub", [".wav", ".m4a", ".mp3", ".flac", ".opus"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_container_takes_every_dub(tmp_path, suffix, dub):
    path = movie(tmp_path / "a.mp4", count=15, tags=Tags())
    output = tmp_path / f"out{suffix}"
    dubbed(path, click_file(tmp_path / f"dub{dub}", times=(0.2,), seconds=0.6), output)
    assert len(frame_times(output)) == 15
    samples, rate = decoded_sound(output)
    assert len(samples) >= 0.55 * rate


VARIABLE = [0, 700, 1280, 1400, 2560, 4000, 4100, 6400, 7040, 9000]


@pytest.mark.parametrize("start", [0, 1280])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts"])
def test_variable_times_are_rounded_once_at_most(tmp_path, dub, suffix, start):
    path = movie(
        tmp_path / "a.mov", pts=[start + p for p in VARIABLE], time_base=Fraction(1, 15_360), sound=True
    )
    output = tmp_path / f"out{suffix}"
    dubbed(path, dub, output)
    new = probe_video(output)
    after = [new.seconds(frame.pts) for frame in read_frames(new)]
    before = [Fraction(start + p, 15_360) for p in VARIABLE]
    if suffix == ".ts":
        before, after = ([t - times[0] for t in times] for times in (before, after))
    limit = {".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000), ".ts": Fraction(1, 45_000)}.get(suffix, 0)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= limit


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_length_of_the_picture_is_kept(tmp_path, dub, suffix):
    path = movie(tmp_path / f"a{suffix}", pts=VARIABLE, time_base=Fraction(1, 15_360))
    info = probe_video(path)
    *_, last = read_frames(info)
    dubbed(path, dub, tmp_path / f"out{suffix}")
    assert probe_video(tmp_path / f"out{suffix}").duration == info.seconds(last.pts + last.duration)


FULL = Extras(title="A Film", chapters=2, subtitle=True, second_sound=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("keep", [False, True])
def test_everything_else_is_carried_over(tmp_path, dub, suffix, keep):
    mkv = suffix == ".mkv"
    extras = Extras(**{**FULL.__dict__, "attachment": mkv, "cover": suffix == ".mp4"})
    path = movie(tmp_path / f"a{suffix}", sound=True, extras=extras, tags=Tags())
    output = tmp_path / f"out{suffix}"
    notes = dubbed(path, dub, output, keep=keep, language="fra")
    found = streams(output)
    assert found[0][:2] == ("video", "h264")
    assert found[1][::2] == ("audio", "fra" if not mkv else "fre") or found[1][::2] == ("audio", "fra")
    sounds = [language for kind, _, language in found if kind == "audio"]
    assert sounds[1:] == (["eng", "spa"] if keep else ["spa"])
    assert [language for kind, _, language in found if kind == "subtitle"] == ["ger"]
    with av.open(str(path)) as old, av.open(str(output)) as new:
        tags = {key.lower(): value for key, value in new.metadata.items()}  # Matroska has ARTIST
        assert (tags["title"], tags["artist"]) == ("A Film", "Nobody")
        times = [
            [
                (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                for c in container.chapters()
            ]
            for container in (old, new)
        ]
        assert times[0] == times[1]
        assert len(times[0]) == 2
        default = [bool(s.disposition & av.stream.Disposition.default) for s in new.streams.audio]
        assert default == [True] + [False] * (len(default) - 1)
        for kind in ("audio", "subtitle"):
            ours, theirs = ([s for s in c.streams if s.type == kind] for c in (new, old))
            assert packets(output, ours[-1].index) == packets(path, theirs[-1].index)
        if mkv:
            assert [s.type for s in new.streams][-1] == "attachment"
        if suffix == ".mp4":
            covers = [s for s in new.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            assert len(covers) == 1
    assert notes == []
    assert frame_times(output) == frame_times(path)


def packets(path, index):
    """(seconds, bytes) of all packets of a stream."""
    with av.open(str(path)) as container:
        stream = container.streams[index]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def test_what_cannot_be_carried_is_said(tmp_path, dub):
    path = movie(tmp_path / "a.mkv", sound=True, extras=Extras(subtitle=True, attachment=True))
    notes = dubbed(path, dub, tmp_path / "out.avi")
    assert len(notes) == 2
    assert "subtitle" in notes[0]
    assert "attachment" in notes[1]


def test_subtitles_change_format_between_containers(tmp_path, dub):
    path = movie(tmp_path / "a.mp4", sound=True, extras=Extras(subtitle=True))
    dubbed(path, dub, tmp_path / "out.mkv")
    dubbed(tmp_path / "out.mkv", dub, tmp_path / "out.mp4")
    for output in ("out.mkv", "out.mp4"):
        subtitles = [s for s in streams(tmp_path / output) if s[0] == "subtitle"]
        assert len(subtitles) == 1
        assert subtitles[0][2] == "ger"
        index = [s[0] for s in streams(tmp_path / output)].index("subtitle")
        times = [(time, data) for time, data in packets(tmp_path / output, index) if "Grüße".encode() in data]
        assert [time for time, _ in times] == [pytest.approx(0.1, abs=0.002)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_rotation_and_aspect_stay(tmp_path, dub, rotation, suffix):
    path = movie(tmp_path / "a.mp4", rotation=rotation, sample_aspect=Fraction(4, 3), count=3)
    dubbed(path, dub, tmp_path / f"out{suffix}")
    assert probe_video(tmp_path / f"out{suffix}").geometry == probe_video(path).geometry


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx265", "yuv420p10le", ".mp4"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("libsvtav1", "yuv420p10le", ".mp4"),
        ("ffv1", "yuv422p10le", ".mkv"),
        ("libvpx", "yuv420p", ".webm"),
        ("mjpeg", "yuvj420p", ".avi"),
    ],
)
def test_format_and_tags_stay(tmp_path, dub, codec, pix_fmt, suffix):
    full = pix_fmt.startswith("yuvj")
    tags = None if full else Tags(1, 9, 9, 16)
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    time_base = Fraction(1, 25) if suffix == ".avi" else Fraction(1, 12_800)
    path = movie(
        tmp_path / f"a{suffix}",
        codec=codec,
        pix_fmt=pix_fmt,
        tags=tags,
        options=options,
        count=4,
        time_base=time_base,
    )
    output = tmp_path / f"out{suffix}"
    dubbed(path, dub, output)
    old, new = probe_video(path), probe_video(output)
    assert (new.codec, new.pix_fmt, new.profile) == (old.codec, old.pix_fmt, old.profile)
    if suffix != ".avi":
        assert new.colour == old.colour or codec == "libvpx"
    if codec == "libx265":
        with av.open(str(output)) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_movie_may_be_its_own_dub(tmp_path):
    """The same file as picture and as sound, in all ways in which the sound can travel."""
    path = movie(tmp_path / "a.mp4", sound=True, extras=Extras(title="Self", chapters=2))
    for suffix in (".mp4", ".webm"):
        dubbed(path, path, tmp_path / f"out{suffix}", keep=True)
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert container.metadata["title"] == "Self"
            assert len(container.chapters()) == 2
            assert len(container.streams.audio) == 2


def test_a_silent_movie_keeps_tags_and_chapters(tmp_path, dub):
    path = movie(tmp_path / "a.mp4", extras=Extras(title="Mute", chapters=2))
    dubbed(path, dub, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "Mute"
        assert len(container.chapters()) == 2


def test_nothing_but_picture_and_dub_comes_of_a_still(tmp_path, dub):
    from tests.support.media import still

    dubbed(still(tmp_path / "a.png", (64, 48)), dub, tmp_path / "out.mp4")
    assert [kind for kind, *_ in streams(tmp_path / "out.mp4")] == ["video", "audio"]
    assert len(frame_times(tmp_path / "out.mp4")) == 25


@pytest.mark.parametrize(
    "name", ["-o.mp4", "two words.mp4", "größe.mp4", "%03d.mp4", "it's.mp4", "a\nb.mp4", "a:b.mp4"]
)
def test_hostile_names_of_inputs_and_output(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    movie(folder / "plain.mp4", count=3, sound=True).rename(folder / name)
    click_file(tmp_path / "plain.wav").rename(tmp_path / f"{name}.wav")
    dubbed(folder / name, Path(f"{name}.wav"), Path(name))
    assert len(frame_times(tmp_path / name)) == 3


def test_a_failure_is_one_sentence(tmp_path, dub):
    path = movie(tmp_path / "a.mp4", count=2)
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(RenderError) as caught:
        dubbed(path, dub, tmp_path / "out.mp4")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "count"), [("speaker_2213fps.mp4", 40), ("face_noface.mov", 30)])
def test_real_footage_keeps_its_times(tmp_path, dub, name, count):
    path = SCENES / name
    if not path.exists():
        pytest.skip(f"the real footage {path} is not beside the checkout")
    info = probe_video(path)
    before = []
    for frame in read_frames(info):
        before.append(info.seconds(frame.pts))
        if len(before) == count + 1:
            break
    output = tmp_path / f"out{path.suffix}"
    dubbed(path, dub, output, limit=before[count])
    assert frame_times(output) == before[:count]
    new = probe_video(output)
    assert new.time_base == info.time_base
    assert new.colour == info.colour
    sound, rate = decoded_sound(output)
    assert abs(len(sound) - before[count] * rate) <= 1024


def test_cover_art_in_matroska_is_an_attached_file_not_a_picture_track(tmp_path, dub):
    path = movie(tmp_path / "a.mp4", sound=True, extras=Extras(cover=True))
    assert dubbed(path, dub, tmp_path / "out.mkv") == []
    with av.open(str(path)) as old, av.open(str(tmp_path / "out.mkv")) as new:
        cover = new.streams.video[1]
        assert cover.disposition & av.stream.Disposition.attached_pic
        assert cover.metadata == {"filename": "cover.jpg", "mimetype": "image/jpeg"}
        before, after = (next(bytes(p) for p in c.demux(c.streams.video[1]) if p.size) for c in (old, new))
        assert before == after
    dubbed(tmp_path / "out.mkv", dub, tmp_path / "again.mkv")  # and from there on
    dubbed(tmp_path / "again.mkv", dub, tmp_path / "back.mp4")
    for name in ("again.mkv", "back.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert len(container.streams.video) == 2
            assert container.streams.video[1].disposition & av.stream.Disposition.attached_pic


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".avi", ".ts"])
def test_cover_art_that_is_left_out_is_said(tmp_path, dub, suffix):
    path = movie(tmp_path / "a.mp4", sound=True, extras=Extras(cover=True))
    notes = dubbed(path, dub, tmp_path / f"out{suffix}")
    assert "cover picture 2 (Motion JPEG)" in notes[-1]
    assert [kind for kind, *_ in streams(tmp_path / f"out{suffix}")] == ["video", "audio"]


@pytest.fixture
def two_pictures(tmp_path):
    """Two picture tracks, and one of time codes for each."""
    path = movie(tmp_path / "one.mov", count=6)
    both = ["-map", "0:v", "-map", "0:v", "-c", "copy", "-timecode", "01:00:00:00"]
    ffmpeg("-i", str(path), *both, str(tmp_path / "two.mov"))
    return tmp_path / "two.mov"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".avi"])
def test_a_second_picture_track_is_copied(tmp_path, dub, two_pictures, suffix):
    output = tmp_path / f"out{suffix}"
    notes = dubbed(two_pictures, dub, output)
    kinds = [kind for kind, *_ in streams(output)]
    assert kinds[:3] == ["video", "audio", "video"]
    assert len(frame_times(output)) == 6
    with av.open(str(output)) as container:
        assert len(list(container.decode(container.streams.video[1]))) == 6
        if suffix in {".mp4", ".mov", ".mkv"}:
            assert notes == []
            tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
            assert tags["timecode"] == "01:00:00:00"
        else:
            assert all("time codes" in note and "left out" in note for note in notes)
            assert len(notes) == 2


def test_a_second_picture_track_that_is_left_out_is_said(tmp_path, dub, two_pictures):
    notes = dubbed(two_pictures, dub, tmp_path / "out.webm")
    assert "the second picture track 1 (H.264) cannot be put into .webm and is left out." in notes


def test_data_of_unknown_kind_is_left_out_and_said():
    picture, data = Stream(0, "video", "h264"), Stream(1, "data", None)
    info = SimpleNamespace(still=False, index=0, streams=(picture, data, Stream(2, "chapters", None)))
    assert choose_streams(info, ".mp4", False) == (
        (),
        ["the data stream 1 (unknown) cannot be put into .mp4 and is left out."],
    )


def test_the_new_picture_does_not_name_the_old_encoder(tmp_path, dub):
    path = movie(tmp_path / "plain.mkv", count=3)
    ffmpeg("-i", str(path), "-c", "libx264", "-metadata:s:0", "BPS=1", str(tmp_path / "a.mkv"))
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert "ENCODER" in container.streams.video[0].metadata
    dubbed(tmp_path / "a.mkv", dub, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert not {"ENCODER", "BPS"} & set(container.streams.video[0].metadata)


@pytest.mark.parametrize("kept", ["video", "audio"])
def test_an_output_without_picture_or_sound_is_not_finished(tmp_path, dub, monkeypatch, kept):
    from lipdub.media import remux as module

    def write_half(output, sources, told):
        halves = ((turn for turn in source if turn[2].target.type == kept) for source in sources)
        muxing.write(output, halves, told)

    path = movie(tmp_path / "a.mp4", count=3)
    monkeypatch.setattr(module, "write", write_half)
    with pytest.raises(RenderError, match="without picture or sound"):
        dubbed(path, dub, tmp_path / "out.mp4")
