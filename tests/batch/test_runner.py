"""Rows are done in order, once, whatever happens in between."""

import csv
import gc
import os
import weakref
from pathlib import Path

import pytest

from lipdub.batch import load_results, read_manifest, results_path, run_batch
from lipdub.engine import Engine
from lipdub.errors import ManifestError, MediaError, OutputError, WeightsUnavailableError
from lipdub.options import SyncOptions
from lipdub.weights import load_catalogue
from tests.support.jobs import Painter, grey

ROWS = ("a.mp4,a.wav,1.mp4", "b.mp4,a.wav,2.mp4", "a.mp4,b.wav,3.mp4")


@pytest.fixture
def run(recorder, loader):
    """Read and run a manifest with stand-ins; the events are in `run.events`."""

    def run(path: Path, defaults: SyncOptions | None = None, *, fresh: bool = False):
        manifest = read_manifest(path, defaults, fresh=fresh)
        recorder.calls.clear()
        run.events = []
        return run_batch(manifest, fresh=fresh, sync=recorder, load=loader, report=run.events.append)

    return run


def table(manifest: Path) -> list[dict[str, str]]:
    with results_path(manifest).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(result) -> tuple[int, int, int]:
    return result.done, result.skipped, result.failed


def touch(path: Path) -> None:
    """Change the time of a file; a clock's tick may be longer than a test."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def test_rows_are_done_in_order_and_the_results_say_so(folder, write, run, recorder):
    path = write(*ROWS)
    result = run(path)
    assert counts(result) == (3, 0, 0)
    assert recorder.outputs == ["1.mp4", "2.mp4", "3.mp4"]
    assert result.results_path == folder / "m.results.csv"
    first = table(path)[0]
    assert list(first)[:11] == [
        "line", "video", "audio", "output", "status", "seconds", "frames", "changed", "error", "notes", "key",
    ]  # fmt: skip
    del first["key"], first["output_stamp"]
    assert first == {
        "line": "2", "video": "a.mp4", "audio": "a.wav", "output": "1.mp4", "status": "done",
        "seconds": "0.25", "frames": "12", "changed": "0", "error": "",
        "notes": "a note.",
    }  # fmt: skip
    assert [(e.kind, e.number, e.total) for e in run.events] == [
        (kind, number, 3) for number in (1, 2, 3) for kind in ("started", "done")
    ]


def test_run_again_does_nothing(write, run, recorder):
    path = write(*ROWS)
    run(path)
    assert counts(run(path)) == (0, 3, 0)
    assert recorder.outputs == []
    assert {e.kind for e in run.events} == {"skipped"}
    assert counts(run(path, SyncOptions(overwrite=True, device="cpu", batch_size=2))) == (0, 3, 0)


def test_a_row_that_fails_does_not_stop_the_others_and_is_done_next_time(write, run, recorder):
    path = write(*ROWS)
    recorder.failing["1.mp4"] = MediaError("a.mp4 is damaged.")
    recorder.failing["2.mp4"] = ZeroDivisionError("division\nby zero")
    result = run(path)
    assert counts(result) == (1, 0, 2)
    assert [row["status"] for row in table(path)] == ["failed", "failed", "done"]
    assert table(path)[0]["error"] == "a.mp4 is damaged."
    assert table(path)[1]["error"].startswith("ZeroDivisionError at conftest.py:")
    assert [error["line"] for error in result.as_json()["errors"]] == [2, 3]
    recorder.failing.clear()
    assert counts(run(path)) == (2, 1, 0)
    assert recorder.outputs == ["1.mp4", "2.mp4"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_was_done_before_an_interruption_is_kept(folder, write, run, recorder, stop):
    path = write(*ROWS)
    recorder.failing["2.mp4"] = stop()
    with pytest.raises(stop):
        run(path)
    assert [row["output"] for row in table(path)] == ["1.mp4"]
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    recorder.failing.clear()
    assert counts(run(path)) == (2, 1, 0)
    assert recorder.outputs == ["2.mp4", "3.mp4"]


def test_a_changed_option_is_done_again_in_the_place_of_the_old_output(folder, write, run, recorder):
    run(write("a.mp4,a.wav,1.mp4,", "b.mp4,a.wav,2.mp4,", header="video,audio,output,steps"))
    old = (folder / "1.mp4").read_bytes()
    path = write("a.mp4,a.wav,1.mp4,9", "b.mp4,a.wav,2.mp4,25", header="video,audio,output,steps")
    assert counts(run(path)) == (1, 1, 0)  # 25 steps are the standard preset's
    assert recorder.outputs == ["1.mp4"]
    assert (folder / "1.mp4").read_bytes() != old


def test_what_the_draft_painted_is_done_again_when_the_published_weights_are_here(
    tmp_path_factory, monkeypatch, write, recorder
):
    given = tmp_path_factory.mktemp("given")
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(given))
    monkeypatch.setenv("LIPDUB_CACHE", str(given / "cache"))
    published = given / load_catalogue()["diff2lip"].file
    loaded = []

    def load(options, progress):
        loaded.append("diff2lip" if published.exists() else "draft")
        return Engine(Painter(grey), loaded[-1], "0" * 64)

    path = write(*ROWS)

    def again() -> tuple[int, int, int]:
        manifest = read_manifest(path, SyncOptions(draft_if_offline=True))
        return counts(run_batch(manifest, sync=recorder, load=load))

    assert [again(), again()] == [(3, 0, 0), (0, 3, 0)]
    published.touch()
    assert [again(), again()] == [(3, 0, 0), (0, 3, 0)]
    assert loaded == ["draft", "diff2lip"]
    published.unlink()
    assert again() == (0, 3, 0), "what they painted is not made worse"


@pytest.mark.parametrize("name", ["a.mp4", "a.wav"])
def test_a_changed_input_is_done_again(folder, write, run, recorder, name):
    path = write("a.mp4,a.wav,1.mp4", "b.mp4,b.wav,2.mp4")
    run(path)
    touch(folder / name)
    assert counts(run(path)) == (1, 1, 0)
    assert recorder.outputs == ["1.mp4"]


def test_an_output_that_is_gone_is_made_again(folder, write, run, recorder):
    path = write(*ROWS)
    run(path)
    (folder / "2.mp4").unlink()
    assert counts(run(path)) == (1, 2, 0)
    assert recorder.outputs == ["2.mp4"]


def test_an_output_that_somebody_edited_is_not_replaced(folder, write, run, recorder):
    path = write("a.mp4,a.wav,1.mp4")
    run(path)
    (folder / "1.mp4").write_bytes(b"graded by hand")
    assert counts(run(path)) == (0, 1, 0)
    touch(folder / "a.mp4")
    with pytest.raises(ManifestError, match="exists already"):
        run(path)
    with pytest.raises(ManifestError, match="exists already"):
        run(path, fresh=True)
    assert counts(run(path, SyncOptions(overwrite=True))) == (1, 0, 0)


def test_an_old_output_stays_the_batchs_own_when_doing_it_again_fails(folder, write, run, recorder):
    path = write("a.mp4,a.wav,1.mp4")
    run(path)
    touch(folder / "a.mp4")
    recorder.failing["1.mp4"] = MediaError("no.")
    assert counts(run(path)) == (0, 0, 1)
    recorder.failing.clear()
    assert counts(run(path)) == (1, 0, 0)


def test_an_interruption_before_a_changed_row_does_not_lose_it(folder, write, run, recorder):
    path = write(*ROWS)
    run(path)
    touch(folder / "a.mp4")
    recorder.failing["1.mp4"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(path)
    recorder.failing.clear()
    assert counts(run(path)) == (2, 1, 0)


def test_fresh_does_everything_again(write, run):
    path = write(*ROWS)
    run(path)
    assert counts(run(path, fresh=True)) == (3, 0, 0)


def test_rows_may_move_and_go(write, run):
    run(write(*ROWS))
    path = write("", ROWS[2], ROWS[0])
    assert counts(run(path)) == (0, 2, 0)
    assert [(row["line"], row["output"]) for row in table(path)] == [("3", "3.mp4"), ("4", "1.mp4")]


@pytest.mark.parametrize("damage", [b"", b"\xff\0garbage", b"line,video\n1,a.mp4\n", b'"line'])
def test_of_damaged_results_nothing_counts_and_a_note_says_so(folder, write, run, damage):
    path = write("a.mp4,a.wav,1.mp4", "b.mp4,b.wav,2.mp4")
    run(path)
    results_path(path).write_bytes(damage)
    with pytest.raises(ManifestError, match=r"exists already(.|\n)*do not count"):
        run(path)
    result = run(path, SyncOptions(overwrite=True))
    assert counts(result) == (2, 0, 0)
    assert "do not count" in result.notes[0]
    assert run(path).notes == ()


def test_a_damaged_row_of_the_results_does_not_count_and_the_others_do(folder, write, run):
    path = write(*ROWS)
    run(path)
    lines = results_path(path).read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace('"done"', '"dome"')
    lines[2] = ",".join(lines[2].split(",")[:5])
    results_path(path).write_text("\n".join(lines), encoding="utf-8")
    (folder / "1.mp4").unlink()
    (folder / "2.mp4").unlink()
    result = run(path)
    assert counts(result) == (2, 1, 0)
    assert "2 damaged rows" in result.notes[0]


def test_results_that_a_spreadsheet_saved_still_count(write, run):
    path = write(*ROWS)
    run(path)
    rows = table(path)
    with results_path(path).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    assert counts(run(path)) == (0, 3, 0)


def test_results_are_written_like_the_manifest(folder, write, run):
    name = 'Ça; "oui"\n 日本'
    (folder / "a.mp4").rename(folder / f" {name}.mp4")
    quoted = name.replace('"', '""')
    row = f'" {quoted}.mp4";a.wav;" {quoted} fr.mp4"'
    path = write(row, header="video;audio;output", encoding="utf-8-sig")
    assert counts(run(path)) == (1, 0, 0)
    assert results_path(path).read_bytes().startswith(b"\xef\xbb\xbf")
    (outcome,) = load_results(path).by_output.values()
    assert (outcome.video, outcome.output) == (f" {name}.mp4", f" {name} fr.mp4")
    assert counts(run(path)) == (0, 1, 0)


def test_results_that_cannot_be_written_stop_it_before_it_starts(folder, write, run, recorder):
    path = write(*ROWS)
    results_path(path).mkdir()  # root may write into any folder, but nobody a file over a folder
    with pytest.raises(OutputError, match=r"m\.results\.csv cannot be written"):
        run(path)
    assert recorder.outputs == []
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_a_disk_that_is_full_for_a_while_loses_nothing(write, run, recorder, monkeypatch):
    path = write(*ROWS)
    real, full = os.fsync, {2, 3}
    count = iter(range(1, 100))

    def fsync(file: int) -> None:
        if next(count) in full:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert counts(run(path)) == (3, 0, 0)
    assert len(table(path)) == 3
    full |= set(range(6, 100))
    with pytest.raises(OutputError, match="No space left"):
        run(path)


def test_rows_with_the_same_choices_share_one_network(write, run, loader, recorder):
    path = write(
        "a.mp4,a.wav,1.mp4,,fra",
        "b.mp4,a.wav,2.mp4,25,",
        "a.mp4,a.wav,3.mp4,9,",
        "a.mp4,b.wav,4.mp4,,deu",
        header="video,audio,output,steps,language",
    )
    run(path)
    assert [options.sampling_steps for options in loader.loaded] == [25, 9, 25]
    engines = [engine for _, _, engine in recorder.calls]
    assert engines[0].inpainter is engines[1].inpainter
    assert len({id(engine) for engine in engines}) == 3


def test_a_preset_that_is_named_may_be_another_network(write, run, loader):
    """Where the draft stands in, it takes its own steps unless others are asked for."""
    path = write(
        "a.mp4,a.wav,1.mp4,",
        "b.mp4,a.wav,2.mp4,standard",
        header="video,audio,output,preset",
    )
    run(path, SyncOptions(draft_if_offline=True))
    assert [options.painted_with("draft").sampling_steps for options in loader.loaded] == [5, 25]


def test_nothing_is_loaded_for_finished_rows(write, run, loader):
    path = write(*ROWS)
    run(path)
    loader.loaded.clear()
    run(path)
    assert loader.loaded == []


def test_only_one_network_is_in_memory(write, loader):
    path = write("a.mp4,a.wav,1.mp4,1", "b.mp4,a.wav,2.mp4,2", header="video,audio,output,steps")
    alive: list[weakref.ref] = []

    def load(options, progress):
        gc.collect()
        assert not [ref for ref in alive if ref()]
        engine = loader(options, progress)
        alive.append(weakref.ref(engine.inpainter))
        return engine

    def sync(video, audio, output, *, options, engine, progress):
        raise RuntimeError("out of memory")

    result = run_batch(read_manifest(path), sync=sync, load=load)
    assert counts(result) == (0, 0, 2)
    assert len(alive) == 2


def test_weights_that_cannot_be_had_fail_the_row(write, recorder):
    def load(options, progress):
        raise WeightsUnavailableError("no network.")

    path = write("a.mp4,a.wav,1.mp4")
    result = run_batch(read_manifest(path), sync=recorder, load=load)
    assert counts(result) == (0, 0, 1)
    assert table(path)[0]["error"] == "no network."


def test_an_input_that_goes_while_others_are_done_fails_its_row(folder, write, recorder, loader):
    path = write(*ROWS)
    manifest = read_manifest(path)
    (folder / "b.mp4").unlink()
    recorder.failing["2.mp4"] = MediaError("gone")
    assert counts(run_batch(manifest, sync=recorder, load=loader)) == (2, 0, 1)


def test_end_to_end_with_the_real_sync(folder, write, loader, landmarker):
    path = write("a.mp4,a.wav,1.mp4", "b.mp4,b.wav,2.mkv")
    result = run_batch(read_manifest(path), load=loader)
    assert [(o.status, o.error) for o in result.outcomes] == [("done", "")] * 2
    assert [row["frames"] for row in table(path)] == ["12", "12"]
    assert (folder / "1.mp4").stat().st_size > 0
    assert len(loader.loaded) == 1
    again = run_batch(read_manifest(path), load=loader)
    assert counts(again) == (0, 2, 0)
    touch(folder / "a.wav")
    assert counts(run_batch(read_manifest(path), load=loader)) == (1, 1, 0)
