"""Pickled arrays are read as data, and a pickle that would run something runs nothing."""

import pickle
import pickletools
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
from lipdub.models.pickles import Thing, read_numpy_pickle, read_pickle, read_torchscript

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
