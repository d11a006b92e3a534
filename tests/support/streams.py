"""Movies with everything in them that a container carries: several sounds, subtitles, data, tags, …"""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from tests.support.media import click_file, ffmpeg, movie, still

LONG = "ein sehr langer Kommentar, " * 400
"""A tag of 10 kB."""

CHAPTERS = ((0, 333, "Anfang"), (333, 1001, "Füchse & Co."), (1001, 2000, "終わり"))
"""Start and end in ms, title."""


def sup_file(path: Path, times: Sequence[float] = (0.2, 1.4), shown: float = 0.4) -> Path:
    """Bitmap subtitles as on Blu-ray (PGS): a white bar at each time."""

    def segment(kind: int, pts: int, data: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", pts, 0, kind, len(data)) + data

    def composition(number: int, objects: bytes) -> bytes:
        count = len(objects) // 8
        return struct.pack(">HHBHBBBB", 160, 96, 0x10, number, 0x80, 0, 0, count) + objects

    row = b"\x00\x90\x01\x00\x00"  # 16 pixels of colour 1, end of the line
    bar = (
        struct.pack(">HBB", 0, 0, 0xC0)
        + (4 + 4 * len(row)).to_bytes(3, "big")
        + struct.pack(">HH", 16, 4)
        + 4 * row
    )
    window = struct.pack(">BBHHHH", 1, 0, 72, 80, 16, 4)
    palette = bytes((0, 0, 1, 235, 128, 128, 255))
    out = b""
    for number, time in enumerate(times):
        begin, end = (round(90_000 * t) for t in (time, time + shown))
        out += segment(0x16, begin, composition(2 * number, struct.pack(">HBBHH", 0, 0, 0, 72, 80)))
        out += segment(0x17, begin, window) + segment(0x14, begin, palette) + segment(0x15, begin, bar)
        out += segment(0x80, begin, b"")
        out += segment(0x16, end, composition(2 * number + 1, b"")) + segment(0x17, end, window)
        out += segment(0x80, end, b"")
    path.write_bytes(out)
    return path


def srt_file(path: Path, times: Sequence[float] = (0.1, 1.2), length: float = 0.5) -> Path:
    """Text subtitles."""

    def clock(seconds: float) -> str:
        ms = round(seconds * 1000)
        return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"

    lines = [f"{n}\n{clock(t)} --> {clock(t + length)}\nGrüße {n}\n" for n, t in enumerate(times, 1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def tags_file(path: Path, **more: str) -> Path:
    """Global tags and chapters, for ffmpeg."""
    tags = {"title": "Der Prüfling", "artist": "Nobody", "comment": LONG, "date": "2019"} | more
    lines = [";FFMETADATA1", *(f"{key}={text}" for key, text in tags.items())]
    for begin, end, title in CHAPTERS:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={begin}", f"END={end}", f"title={title}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


SUBTITLES = {
    ".mkv": ("srt", "ass", "webvtt", "pgs", "dvdsub", "dvbsub"),
    ".webm": ("webvtt",),
    ".mp4": ("mov_text",),
    ".mov": ("mov_text",),
    ".ts": ("dvbsub",),
    ".avi": (),
}
"""What is in a movie of this container, as the encoders are called; ``pgs`` is copied."""

SOUND = {".webm": "libopus", ".avi": "libmp3lame"}


def full_movie(path: Path, *, seconds: int = 2, data: bool = True) -> Path:
    """A movie of two seconds with all that its container carries."""
    folder, suffix = path.parent / f"{path.name}.parts", path.suffix
    folder.mkdir()
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    options = {} if suffix == ".webm" else {"bf": "2"} if suffix != ".avi" else {"bf": "0"}
    base = Fraction(1, 25) if suffix == ".avi" else Fraction(1, 12_800)
    picture = movie(
        folder / f"picture{suffix}", codec=codec, count=25 * seconds, options=options, time_base=base
    )
    sound = click_file(folder / "sound.wav", seconds=seconds)
    inputs = [picture, sound, srt_file(folder / "text.srt"), sup_file(folder / "bitmap.sup")]
    inputs.append(tags_file(folder / "tags.txt", **({"MOOD": "düster"} if suffix == ".mkv" else {})))
    ends = {".sup": ["-fix_sub_duration"]}  # PGS says when a picture ends in a packet of its own
    words = ["-copyts", *(w for each in inputs for w in (*ends.get(each.suffix, []), "-i", f"file:{each}"))]
    words += ["-map", "0:v", "-c:v", "copy", *4 * ["-map", "1:a"]]
    words += ["-c:a", SOUND.get(suffix, "aac"), "-map_metadata", "4", "-map_chapters", "4"]
    about = [
        ("eng", "Original", "default+original"),
        ("spa", "Comentario del director, año 2019", "comment"),
        ("ger" if suffix == ".mov" else "deu", "Hörfassung", "hearing_impaired"),
        ("fra", "Doublage", "dub"),
    ]
    for n, (language, title, flags) in enumerate(about):
        words += [f"-metadata:s:a:{n}", f"language={language}", f"-metadata:s:a:{n}", f"title={title}"]
        words += [f"-disposition:a:{n}", flags]
    for n, name in enumerate(SUBTITLES[suffix]):
        text = name in {"srt", "ass", "webvtt", "mov_text"}
        words += ["-map", "2:s" if text else "3:s", f"-c:s:{n}", "copy" if name == "pgs" else name]
        words += [f"-metadata:s:s:{n}", "language=ger", f"-metadata:s:s:{n}", f"title={name} für alle"]
        words += [f"-disposition:s:{n}", ("forced", "default", "0")[n % 3]]
    words += _extras(folder, suffix)
    if suffix in {".mp4", ".mov"}:
        words += ["-video_track_timescale", "12800"]
    ffmpeg(*words, f"file:{path}")
    return path


def _extras(folder: Path, suffix: str) -> list[str]:
    if suffix == ".mkv":
        font = folder / "Schrift ä.ttf"
        font.write_bytes(bytes(range(256)))
        cover = still(folder / "cover.jpg", (48, 64))
        return [
            *("-attach", str(font), "-metadata:s:t:0", "mimetype=application/x-truetype-font"),
            *("-attach", str(cover), "-metadata:s:t:1", "mimetype=image/jpeg"),
            *("-metadata:s:v:0", "timecode=01:02:03:04", "-metadata:s:v:0", "title=Bild"),
        ]
    if suffix in {".mp4", ".mov"}:
        return ["-timecode", "01:02:03:04"]
    return []


def data_in_ts(path: Path, source: Path) -> Path:
    """A transport stream with KLV and timed ID3 beside what is in `source`."""
    with av.open(f"file:{source}") as old, av.open(f"file:{path}", "w") as new:
        ways = {
            s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams if s.type != "data"
        }
        data = [new.add_data_stream(name) for name in ("klv", "timed_id3")]
        for stream in data:
            stream.time_base = Fraction(1, 90_000)
        packets = [p for p in old.demux() if p.size and p.stream_index in ways]
        for packet in packets:
            packet.stream = ways[packet.stream_index]
        start = min(p.dts * p.time_base for p in packets)
        for stream in data:
            for n in range(4):
                packet = av.Packet(bytes([n]) * 20)
                packet.stream, packet.time_base = stream, Fraction(1, 90_000)
                packet.pts = packet.dts = round((start + Fraction(n, 2)) * 90_000) + 9000
                packets.append(packet)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            new.mux(packet)
    return path
