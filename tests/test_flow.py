"""Stages side by side: order, bounds, errors as themselves, no thread left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from lipdub.flow import read_ahead, write_behind


class BrokenError(Exception):
    pass


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def numbers(count: int, seen: list[int] | None = None) -> Iterator[int]:
    for n in range(count):
        if seen is not None:
            seen.append(n)
        yield n


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_everything_arrives_once_and_in_order(limit: int):
    written: list[int] = []
    with read_ahead(numbers(500), limit) as items, write_behind(written.append, limit) as put:
        for item in items:
            put(item)
    assert written == list(range(500))


def test_a_reader_is_no_further_ahead_than_its_limit():
    seen: list[int] = []
    with read_ahead(numbers(100, seen), 3) as items:
        assert next(items) == 0
        time.sleep(0.1)
        assert len(seen) <= 1 + 3 + 1  # taken, waiting, in its hand


def test_a_writer_that_is_slow_holds_up_the_others():
    gate, written = threading.Event(), []

    def slow(item: int) -> None:
        gate.wait(10)
        written.append(item)

    seen: list[int] = []

    def opened() -> None:
        time.sleep(0.1)
        assert len(seen) <= 1 + 3 + 1  # in the writer's hand, waiting for him, in ours
        gate.set()

    opener = threading.Thread(target=opened)
    opener.start()
    with write_behind(slow, 3) as put:
        for item in numbers(20, seen):
            put(item)
    opener.join()
    assert written == list(range(20))


def test_what_the_reader_raises_is_raised_where_its_item_is_awaited():
    def broken() -> Iterator[int]:
        yield 1
        raise BrokenError("in the decoder")

    with pytest.raises(BrokenError, match="in the decoder"), read_ahead(broken(), 4) as items:
        assert next(items) == 1
        next(items)


@pytest.mark.parametrize("count", [1, 3, 50])
def test_what_the_writer_raises_is_raised_though_more_follows_or_not(count: int):
    def broken(item: int) -> None:
        raise BrokenError("in the encoder")

    with pytest.raises(BrokenError, match="in the encoder"), write_behind(broken, 2) as put:
        for item in numbers(count):
            put(item)


def test_an_error_between_them_ends_both_and_drops_what_waits():
    closed, written = [], []

    def reader() -> Iterator[int]:
        try:
            yield from numbers(1000)
        finally:
            closed.append(threading.current_thread().name)

    def writer(item: int) -> None:
        time.sleep(0.01)
        written.append(item)

    with (
        pytest.raises(BrokenError, match="in the network"),
        read_ahead(reader(), 4) as items,
        write_behind(writer, 50) as put,
    ):
        for item in items:
            put(item)
            if item == 20:
                raise BrokenError("in the network")
    assert closed == ["lipdub-read"]  # in the thread that it ran in
    assert len(written) < 20


def test_nothing_is_done_while_nothing_comes():
    """No busy waiting: a second of idleness costs next to no time of the processor."""
    gate = threading.Event()

    def late() -> Iterator[int]:
        gate.wait(1)
        yield 1

    used = time.process_time()
    with read_ahead(late(), 1) as items, write_behind(lambda item: None, 1) as put:
        for item in items:
            put(item)
    assert time.process_time() - used < 0.2
