"""Pickled arrays are read as data, and a pickle that would run something runs nothing."""

import pickle
import pickletools
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.pickles import MOST, Thing, read_numpy_pickle, read_pickle, read_torchscript

PROTOCOL = 3
"""The one that the published file has."""
ARRAYS: dict[str, Any] = {
    "first": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "bias": np.array([1.5, -2.0])},
    "second": {"deeper": {"count": np.array([3, 2**40])}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "arrays.ckpt"
    path.write_bytes(pickle.dumps(ARRAYS, PROTOCOL))
    return path


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Conv2d(2, 3, (1, 2)), torch.nn.BatchNorm2d(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


@pytest.fixture
def script(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    module, path = Small(), tmp_path / "module.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path, module.state_dict()


nested = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)


@given(nested)
def test_containers_are_read_as_pickle_reads_them(value: Any) -> None:
    assert read_pickle(pickle.dumps(value, PROTOCOL)) == value


def test_arrays_by_their_names(file: Path) -> None:
    found = read_numpy_pickle(file)
    assert list(found) == ["first.kernel", "first.bias", "second.deeper.count"]
    np.testing.assert_array_equal(found["first.kernel"], ARRAYS["first"]["kernel"])
    np.testing.assert_array_equal(found["first.bias"], ARRAYS["first"]["bias"])
    np.testing.assert_array_equal(found["second.deeper.count"], ARRAYS["second"]["deeper"]["count"])


def test_an_array_stored_by_columns(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps({"a": array}, PROTOCOL))
    np.testing.assert_array_equal(read_numpy_pickle(path)["a"], array)


def test_weights_of_torchscript(script: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, expected = script
    found = read_torchscript(path)
    kept = {name: value for name, value in expected.items() if value.ndim}
    assert kept.keys() <= found.keys()
    for name, value in kept.items():
        assert torch.equal(found[name], value)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_in_a_pickle_is_called(tmp_path: Path) -> None:
    path, touched = tmp_path / "bomb.ckpt", tmp_path / "touched"
    path.write_bytes(pickle.dumps({"a": Bomb(touched)}, PROTOCOL))
    with pytest.raises(WeightsFormatError, match="no arrays"):
        read_numpy_pickle(path)
    assert not touched.exists()
    pickle.loads(path.read_bytes())
    assert touched.exists()


def test_what_would_be_called_is_kept_as_a_name() -> None:
    made = read_pickle(b"cos\nsystem\nU\x02ls\x85R.")
    assert made == Thing("os.system", ("ls",))


def test_a_file_cut_anywhere_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole), 3):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsFormatError):
            read_numpy_pickle(file)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_pickle(data)
    except WeightsFormatError as exc:
        assert "damaged" in str(exc) or "cut short" in str(exc)


def test_a_false_length_takes_no_memory() -> None:
    with pytest.raises(WeightsFormatError):
        read_pickle(b"\x8e" + (2**62).to_bytes(8, "little") + b"abc")


def test_a_dict_that_holds_itself_is_refused(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    path = tmp_path / "endless"
    path.write_bytes(pickle.dumps(endless, PROTOCOL))
    with pytest.raises(WeightsFormatError):
        read_numpy_pickle(path)


def test_a_script_that_is_none(tmp_path: Path, script: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _ = script
    (tmp_path / "short.pt").write_bytes(path.read_bytes()[:-200])
    with zipfile.ZipFile(tmp_path / "empty.pt", "w"):
        pass
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "half.pt", "w") as half:
        for name in archive.namelist():
            data = archive.read(name)
            half.writestr(name, data[: len(data) // 2] if "/data/" in name else data)
    for name in ("short.pt", "empty.pt", "half.pt"):
        with pytest.raises(WeightsFormatError):
            read_torchscript(tmp_path / name)
    with pytest.raises(UnknownWeightsError, match=r"no weights file .*none\.pt"):
        read_torchscript(tmp_path / "none.pt")


def test_every_step_is_one_of_pickle() -> None:
    """A misspelt name would be a step that is never taken."""
    from lipdub.models import pickles

    known = {operation.name for operation in pickletools.opcodes}
    assert {*pickles._CONSTANTS, *pickles._LITERALS, *pickles._STEPS} <= known


def doubled(times: int, end: bytes = b"K\x01") -> bytes:
    """A tuple that holds another one twice, and so on: 2^times values in a few bytes each."""
    return end + b"".join(b"q%ch%c\x86" % (number, number) for number in range(times))


def held_twice(times: int) -> dict[str, Any]:
    """Likewise of dicts: nothing is shared by name, and no array is there."""
    inner: dict[str, Any] = {}
    for _ in range(times):
        inner = {"a": inner, "b": inner}
    return inner


def numpy_pickle(shape: bytes, kind: bytes = b"U\x02f4") -> bytes:
    """A dict with one array whose state has this shape and type."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    dtype = b"cnumpy\ndtype\n(" + kind + b"tR"
    return b"}U\x01a" + array + b"(K\x01" + shape + dtype + b"\x89C\x04\x00\x00\x00\x00tbs."


def test_the_pickles_below_are_read_where_they_are_harmless(tmp_path: Path) -> None:
    path = tmp_path / "good"
    path.write_bytes(numpy_pickle(b"K\x01\x85"))
    assert read_numpy_pickle(path)["a"].tolist() == [0.0]
    assert read_pickle(doubled(2) + b".") == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    "data",
    [
        b"}" + doubled(60) + b"K\x01s.",
        numpy_pickle(doubled(60)),
        numpy_pickle(b"K\x01\x85", doubled(60)),
        pickle.dumps(held_twice(60), PROTOCOL),
        b"K\x01" * (MOST + 1) + b".",
        pickle.dumps({"a" * 2000: np.zeros(1, np.float32)}, PROTOCOL),
        pickle.dumps(dict.fromkeys(range(50), np.zeros(10_000, np.float32)), PROTOCOL),
    ],
    ids=["key", "shape", "type", "dicts", "operations", "name", "arrays"],
)
def test_a_pickle_takes_no_work_without_end(tmp_path: Path, data: bytes) -> None:
    """Each would take years, or memory that its size does not explain."""
    path = tmp_path / "hostile"
    path.write_bytes(data)
    begun = time.monotonic()
    with pytest.raises(WeightsFormatError, match=r"^it is damaged"):
        read_numpy_pickle(path)
    assert time.monotonic() - begun < 60


def test_an_archive_unpacks_to_no_more_than_its_size_explains(
    tmp_path: Path, script: tuple[Path, dict[str, torch.Tensor]]
) -> None:
    path, bomb = script[0], tmp_path / "bomb.pt"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, bytes(50_000_000) if name.endswith("data/0") else data)
    with pytest.raises(WeightsFormatError, match="it is damaged"):
        read_torchscript(bomb)
