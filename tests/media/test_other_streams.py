# ruff: noqa: E501 - a table is read along its rows
"""What surrounds the picture and the dub: in the output as in the source, or said. Read back by PyAV."""

import re
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from tests.media.test_remux import dubbed
from tests.support.media import Extras, click_file, ffmpeg, movie
from tests.support.streams import CHAPTERS, LONG, data_in_ts, full_movie

# What is in each source: see `full_movie`. Four sound tracks with titles: English (default, original), Spanish
# (comment), German (hearing_impaired), French (dub); subtitles with titles, the first of them forced, the
# second default; three chapters; tags, one of them of 10 kB.
#
# sound: codec of the carried tracks.  subtitles: codec of each, or "-" where it is left out.
# flags: what the tracks of sound are marked with.  files: what is attached, and cover art.
# timecode: where the picture has one.  said: a piece of each note, in any order.
TABLE = """
from | to   | sound | subtitles                         | titles | flags             | files      | chapters | timecode | said
mkv  | mkv  | aac   | subrip ass webvtt pgs dvd dvb     | yes    | orig comm deaf dub | font cover | 3        | yes      |
mkv  | mp4  | aac   | mov_text mov_text mov_text - dvd - | yes   | - comm deaf dub   | - cover    | 3        | yes      | 6 (ASS) becomes timed text; 8 (PGS); 10 (DVB); attachment 11; flags of the movie's tracks 1.; MOOD
mkv  | mov  | aac   | mov_text mov_text mov_text - - -  | yes    | - - - -           | - -        | 3        | yes      | 6 (ASS); 8 (PGS); 9 (VobSub); 10 (DVB); attachment 11; cover picture 12; flags of the movie's tracks 1, 2, 3, 4, 5.; MOOD
mkv  | webm | opus  | webvtt webvtt webvtt - - -        | yes    | - - - -           | - -        | 3        | yes      | picture was H.264; 1 was AAC; 2 was AAC; 3 was AAC; 4 was AAC; 6 (ASS); 8 (PGS); 9 (VobSub); 10 (DVB); attachment 11; cover picture 12; flags of the movie's tracks 1, 2, 3, 4.
mkv  | ts   | aac   | - - - - - dvb                     | no     | - - deaf -        | - -        | 0        | no       | 5 (SubRip); 6 (ASS); 7 (WebVTT); 8 (PGS); 9 (VobSub); attachment 11; cover picture 12; 3 chapters; ARTIST, COMMENT, DATE, MOOD, title; title of the movie's tracks; flags of the movie's tracks 1, 2, 4.; time code 01:02:03:04
mp4  | mp4  | aac   | mov_text                          | yes    | - comm deaf dub   | -          | 3        | yes      |
mp4  | mkv  | aac   | subrip                            | yes    | - comm deaf dub   | -          | 3        | yes      |
mp4  | mov  | aac   | mov_text                          | yes    | - - - -           | -          | 3        | yes      | flags of the movie's tracks
mov  | mov  | aac   | mov_text                          | yes    | - - - -           | -          | 3        | yes      |
mov  | mp4  | aac   | mov_text                          | yes    | - - - -           | -          | 3        | yes      |
mov  | mkv  | aac   | subrip                            | yes    | - - - -           | -          | 3        | yes      |
webm | webm | opus  | webvtt                            | yes    | - - - -           | -          | 3        | -        |
webm | mkv  | opus  | webvtt                            | yes    | - - - -           | -          | 3        | -        |
webm | mp4  | opus  | mov_text                          | yes    | - - - -           | -          | 3        | -        |
ts   | ts   | aac   | dvb                               | -      | - - deaf -        | -          | 0        | -        |
ts   | mkv  | aac   | dvb                               | -      | - - deaf -        | -          | 0        | -        |
ts   | mp4  | aac   | -                                 | -      | - - deaf -        | -          | 0        | -        | 5 (DVB)
avi  | avi  | mp3   |                                   | yes    | - - - -           | -          | 0        | -        |
avi  | mkv  | mp3   |                                   | yes    | - - - -           | -          | 0        | -        |
"""
HEAD, *ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]

CODECS = {
    "pgs": "hdmv_pgs_subtitle",
    "dvd": "dvd_subtitle",
    "dvb": "dvb_subtitle",
}
FLAGS = {"orig": "original", "comm": "comment", "deaf": "hearing_impaired", "dub": "dub"}
LANGUAGES = ["eng", "spa", "deu", "fra"]
SOUND_TITLES = ["Original", "Comentario del director, año 2019", "Hörfassung", "Doublage"]
TICK = {"mkv": Fraction(1, 1000), "webm": Fraction(1, 1000), "ts": Fraction(1, 1000)}
"""Seconds by which times may move: Matroska has milliseconds; in transport streams sound packets share a time."""
SAME_CODE = {"ger": "deu", "fre": "fra"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("full")


@pytest.fixture(scope="module")
def sources(folder):
    made = {}

    def source(name):
        if name not in made:
            made[name] = full_movie(folder / f"full.{name}")
        return made[name]

    return source


@pytest.fixture(scope="module")
def dub(folder):
    return click_file(folder / "dub.wav", seconds=2)


def title(stream):
    return next((text for key, text in stream.metadata.items() if key.lower() in {"title", "name"}), None)


def language(stream):
    return SAME_CODE.get(stream.language, stream.language)


def codec(stream):
    return stream.codec_context.codec.canonical_name


def packets(path, index):
    """(pts, bytes) of all packets of a stream that are not empty; in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams[index]
        found = [((p.pts or 0) * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]
    # The head of an AAC frame is part of the packet in transport streams.
    return [(time, data[7:] if data[:2] == b"\xff\xf1" else data) for time, data in found]


def same_packets(one, other, tick):
    """Equal bytes, and equal times but for a shift that is the same for all, as transport streams have."""
    assert [data for _, data in one] == [data for _, data in other]
    late = [b - a for (a, _), (b, _) in zip(one, other, strict=True)]
    assert not late or max(late) - min(late) <= tick
    return late[0] if late else Fraction(0)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_the_table(tmp_path, sources, dub, row):
    row = SimpleNamespace(**dict(zip(("source", "target", *HEAD[2:]), row, strict=True)))
    path, output = sources(row.source), tmp_path / f"out.{row.target}"
    notes = dubbed(path, dub, output, keep=True, language="fra")
    with av.open(str(path)) as old, av.open(str(output)) as new:
        check_sound(row, old, new)
        check_subtitles(row, old, new)
        check_files(row, old, new)
        times = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in new.chapters()
        ]
        assert times == [
            (Fraction(a, 1000), Fraction(b, 1000), t) for a, b, t in CHAPTERS[: int(row.chapters)]
        ]
        stamp = {k.lower(): v for k, v in new.streams.video[0].metadata.items()}.get("timecode")
        assert stamp == ("01:02:03:04" if row.timecode == "yes" else None)
        check_tags(row, old, new)
    wanted = [piece.strip() for piece in row.said.split(";") if piece.strip()]
    assert sorted(piece for piece in wanted if any(piece in note for note in notes)) == sorted(wanted)
    assert len(notes) == len(wanted), notes


def check_sound(row, old, new):
    first, *others = new.streams.audio
    assert [bool(s.disposition & av.stream.Disposition.default) for s in others] == [False] * 4
    if row.target not in {"ts", "avi"}:
        assert first.disposition & av.stream.Disposition.default
    assert [codec(s) for s in others] == 4 * [row.sound]
    if row.target != "avi":
        assert first.language == "fra"
        assert [language(s) for s in others] == [language(s) for s in old.streams.audio]
    if row.titles == "yes":
        assert [title(s) for s in others] == SOUND_TITLES
    flags = [getattr(av.stream.Disposition, FLAGS.get(word, ""), 0) for word in row.flags.split()]
    every = sum(getattr(av.stream.Disposition, name) for name in FLAGS.values())
    assert [s.disposition & every for s in others] == flags
    for one, other in zip(old.streams.audio, others, strict=True):
        if codec(one) == codec(other):
            both = packets(old.name, one.index), packets(new.name, other.index)
            late = same_packets(*both, TICK.get(row.target, 0) + TICK.get(row.source, 0))
            if "ts" not in {row.source, row.target}:
                assert abs(late) <= Fraction(1, 1000)


def check_subtitles(row, old, new):
    wanted = [CODECS.get(name, name) for name in row.subtitles.split()]
    pairs = [(s, name) for s, name in zip(old.streams.subtitles, wanted, strict=True) if name != "-"]
    assert [codec(s) for s in new.streams.subtitles] == [name for _, name in pairs]
    for (one, name), other in zip(pairs, new.streams.subtitles, strict=True):
        assert other.language == one.language
        if row.titles == "yes":
            assert title(other) == title(one)
        if row.target not in {"ts", "mov"}:
            assert other.disposition == one.disposition
        if name == codec(one):
            same_packets(
                packets(old.name, one.index), packets(new.name, other.index), TICK.get(row.target, 0)
            )
        elif name in {"subrip", "webvtt", "mov_text"}:
            shown = [
                (time, data) for time, data in packets(new.name, other.index) if "Grüße".encode() in data
            ]
            assert [float(time) for time, _ in shown] == pytest.approx([0.1, 1.2], abs=0.0011)


def check_files(row, old, new):
    fonts = [s for s in new.streams if s.type == "attachment"]
    covers = [s for s in new.streams.video if s.disposition & av.stream.Disposition.attached_pic]
    assert len(fonts) == ("font" in row.files)
    assert len(covers) == ("cover" in row.files)
    for font in fonts:
        assert (font.name, font.mimetype, font.data) == (
            "Schrift ä.ttf",
            "application/x-truetype-font",
            bytes(range(256)),
        )
    for cover in covers:
        source = next(s for s in old.streams.video if s.disposition & av.stream.Disposition.attached_pic)
        assert packets(old.name, source.index)[0][1] == packets(new.name, cover.index)[0][1]


def check_tags(row, old, new):
    before, after = ({k.lower(): v for k, v in c.metadata.items()} for c in (old, new))
    for key in ("title", "artist", "date", "comment", "mood"):
        lost = row.target == "ts" or (key == "mood" and row.target in {"mp4", "mov"})
        assert after.get(key) == (None if lost else before.get(key))
    assert row.source == "ts" or before["comment"] == LONG


def test_data_of_a_transport_stream(tmp_path, sources, dub):
    path = data_in_ts(tmp_path / "data.ts", sources("ts"))
    assert dubbed(path, dub, tmp_path / "out.ts") == []
    with av.open(str(tmp_path / "out.ts")) as new:
        data = [s for s in new.streams if s.type == "data"]
        assert [s.name for s in data] == ["klv", "timed_id3"]
        indices = [s.index for s in data]
    with av.open(str(path)) as old:
        before = [s.index for s in old.streams if s.type == "data"]
    for one, other in zip(before, indices, strict=True):
        assert len(packets(path, one)) == 4
        same_packets(packets(path, one), packets(tmp_path / "out.ts", other), 0)
    notes = dubbed(path, dub, tmp_path / "out.mkv")
    assert [n for n in notes if "klv" in n or "timed_id3" in n] == [
        "the data stream 6 (klv) cannot be put into .mkv and is left out.",
        "the data stream 7 (timed_id3) cannot be put into .mkv and is left out.",
    ]


@pytest.mark.parametrize("target", [".mp4", ".mov", ".mkv"])
def test_telemetry_of_an_action_camera(tmp_path, dub, target):
    """A track of GPMF, made from one of subtitles by the names in its boxes."""
    plain = movie(tmp_path / "plain.mp4", count=25, sound=True, extras=Extras(subtitle=True))
    head, moov, rest = plain.read_bytes().rpartition(b"moov")
    path = tmp_path / "gopro.mp4"
    path.write_bytes(head + moov + rest.replace(b"tx3g", b"gpmd").replace(b"sbtl", b"meta"))
    notes = dubbed(path, dub, tmp_path / f"out{target}")
    with av.open(str(path)) as old, av.open(str(tmp_path / f"out{target}")) as new:
        before, after = ([s.index for s in c.streams if s.type == "data"] for c in (old, new))
    if target == ".mkv":
        assert after == []
        assert notes == ["the data stream 2 (bin_data) cannot be put into .mkv and is left out."]
        return
    assert notes == []
    assert "(gpmd / " in ffmpeg_says(tmp_path / f"out{target}")
    same_packets(packets(path, before[0]), packets(tmp_path / f"out{target}", after[0]), 0)


@pytest.mark.parametrize(
    ("source", "target", "stamp"),
    [(".mov", ".mov", "00:59:59;28"), (".mov", ".mkv", "00:59:59;28"), (".mkv", ".mp4", "10:00:00;00")],
)
def test_time_codes_with_drop_frames(tmp_path, dub, source, target, stamp):
    plain = movie(tmp_path / f"plain{source}", rate=Fraction(30_000, 1001), time_base=Fraction(1, 30_000))
    path = tmp_path / f"a{source}"
    about = ["-timecode", stamp] if source == ".mov" else ["-metadata:s:v:0", f"timecode={stamp}"]
    ffmpeg("-i", str(plain), "-c", "copy", *about, str(path))
    dubbed(path, dub, tmp_path / f"out{target}")
    told = ffmpeg_says(tmp_path / f"out{target}")
    assert re.search(rf"timecode *: {stamp}", told, re.IGNORECASE)


def ffmpeg_says(path):
    """What ``ffmpeg -i`` prints: another reader than PyAV."""
    import subprocess

    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, check=False).stderr.decode(errors="replace")


def test_tags_that_are_not_utf8_do_not_stop_the_job(tmp_path, dub):
    path = movie(tmp_path / "a.avi", codec="mpeg4", time_base=Fraction(1, 25))
    ffmpeg("-i", str(path), "-c", "copy", "-metadata", "title=Gruesse", str(tmp_path / "b.avi"))
    data = (tmp_path / "b.avi").read_bytes()
    (tmp_path / "b.avi").write_bytes(data.replace(b"Gruesse", b"Gr\xfc\xdfe  "))
    dubbed(tmp_path / "b.avi", dub, tmp_path / "out.avi")
    assert b"Gr\xfc\xdfe  " in (tmp_path / "out.avi").read_bytes()
