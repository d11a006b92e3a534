"""A pickle read as data: nothing in it is imported, called or executed.

Some weights are published only as pickled arrays of numpy or as TorchScript. Neither needs a pickle machine:
what it would import and call is kept as names and arguments, and the arrays are put together from those.
"""

import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lipdub.errors import UnknownWeightsError, WeightsFormatError

Array: TypeAlias = npt.NDArray[np.generic]

NUMPY_ARRAY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
NUMPY_TYPES: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "i8": np.dtype("<i8")}
TORCH_TENSOR = "torch._utils._rebuild_tensor_v2"
TORCH_TYPES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}
MOST = 1_000_000
"""Of operations in a pickle, and of values in what it holds: some seconds of work. A network of five hundred
arrays, such as Inception, has forty operations for each."""
LONGEST = 1000
"""Letters of a name at most, and how many dimensions an array may have at most."""
DIMENSIONS = 8
SPARE = 4
"""Arrays may take so many times the bytes of their file: some are held twice, or packed."""
DAMAGE = (AttributeError, EOFError, LookupError, RecursionError, TypeError, ValueError, OverflowError)
"""What putting together things of the wrong kinds ends in."""
NO_ARCHIVE = (
    OSError, zipfile.BadZipFile, zlib.error, LookupError, NotImplementedError, RuntimeError, ValueError
)  # fmt: skip
"""What reading a damaged zip file ends in."""


@dataclass(slots=True)
class Thing:
    """What a pickle would have made: `name` called with `arguments`, and then given `state`."""

    name: str
    arguments: Any = ()
    state: Any = None


class _Mark:
    """Where the elements of a tuple, list or dict begin on the stack."""


def read_pickle(data: bytes) -> Any:
    """What a pickle holds: numbers, texts, containers, and a `Thing` for everything else.

    Raises `WeightsFormatError`, a part of a sentence, when it is damaged or needs more than weights need.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        # Not of the file itself, where a false length would take all memory.
        for number, (operation, argument, _) in enumerate(pickletools.genops(BytesIO(data))):
            name = operation.name
            if number == MOST:
                raise ValueError("too long")
            if name in _CONSTANTS:
                stack.append(_CONSTANTS[name]())
            elif name in _LITERALS:
                stack.append(argument)
            elif name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif name == "GLOBAL":
                stack.append(Thing(str(argument).replace(" ", ".")))
            elif name == "STOP":
                return stack.pop()
            else:
                _STEPS[name](stack)
    except DAMAGE as exc:
        raise WeightsFormatError("it is damaged, cut short or not a pickle of weights alone") from exc
    raise WeightsFormatError("it is cut short")


def read_numpy_pickle(path: Path) -> dict[str, Tensor]:
    """The arrays of a pickle of nested dicts of numpy arrays; names are joined by points.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError`, a part of a sentence, when
    it holds something else.
    """
    if not path.is_file():
        raise UnknownWeightsError(f"There is no weights file {path}.")
    data = path.read_bytes()
    return _tensors(read_pickle(data), _numpy_array, len(data))


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers of a TorchScript archive; its code is not looked at.

    Raises as `read_numpy_pickle` does.
    """
    if not path.is_file():
        raise UnknownWeightsError(f"There is no weights file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].partition("/")[0]
            size = path.stat().st_size
            content = read_pickle(_unpacked(archive, f"{root}/data.pkl", size))
            storages = _Storages(archive, root, size)
            return _tensors(content, lambda thing: _torch_array(thing, storages), size)
    except NO_ARCHIVE as exc:
        raise WeightsFormatError("it is damaged, cut short or not TorchScript") from exc


class _Storages:
    """The storages of an archive, each read once, and no more than its size explains."""

    def __init__(self, archive: zipfile.ZipFile, root: str, size: int) -> None:
        self._archive, self._root, self._left = archive, root, SPARE * size
        self._read: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> bytes:
        if key not in self._read:
            self._read[key] = _unpacked(self._archive, f"{self._root}/data/{key}", self._left / SPARE)
            self._left -= len(self._read[key])
        return self._read[key]


def _unpacked(archive: zipfile.ZipFile, name: str, size: float) -> bytes:
    """A file of an archive, if it is not more than an archive of this size should hold."""
    entry = archive.getinfo(name)
    if entry.file_size > SPARE * size:
        raise ValueError("more than the file explains")
    return archive.read(entry)


def _tensors(content: Any, array: Callable[[Thing], Array | None], size: int) -> dict[str, Tensor]:
    """The arrays of what a file of so many bytes holds, by name."""
    found, left = dict[str, Tensor](), SPARE * size
    try:
        for name, value in _leaves(content, array, "", count()):
            found[name] = torch.from_numpy(value)
            left -= value.nbytes
            if left < 0:
                raise ValueError("more than the file explains")
    except DAMAGE as exc:
        raise WeightsFormatError("it is damaged, or its arrays are of a kind that weights are not") from exc
    if not found:
        raise WeightsFormatError("it holds no arrays")
    return found


def _leaves(
    content: Any, array: Callable[[Thing], Array | None], prefix: str, visits: Iterator[int]
) -> Iterator[tuple[str, Array]]:
    # What is shared within a few operations may be met without end, each time under a longer name.
    if next(visits) == MOST or len(prefix) > LONGEST:
        raise ValueError("too much")
    if isinstance(content, Thing):
        made = array(content)
        if made is not None:
            yield prefix, made
            return
        content = content.state
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, array, f"{prefix}.{name}" if prefix else str(name), visits)


def _numpy_array(thing: Thing) -> Array | None:
    """The array that numpy would have made: its state is version, shape, type, order and bytes."""
    if thing.name not in NUMPY_ARRAY:
        return None
    _, shape, kind, by_columns, data = thing.state
    dtype = NUMPY_TYPES[_text(kind.arguments[0])]
    _check_shape(shape)
    return np.array(np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _check_shape(shape: Any) -> None:
    """A tuple of tuples, each twice the one in it, would take numpy for ever."""
    if len(shape) > DIMENSIONS or not all(isinstance(side, int) for side in shape):
        raise TypeError("no shape")


def _torch_array(thing: Thing, storages: _Storages) -> Array | None:
    """The tensor that torch would have made: a storage, an offset, a shape, strides."""
    if thing.name != TORCH_TENSOR:
        return None
    storage, offset, shape, strides = thing.arguments[:4]
    _, kind, key, _, count = storage.arguments
    _check_shape(shape)
    _check_shape(strides)
    values = np.frombuffer(storages[_text(key)], TORCH_TYPES[kind.name])
    size = int(np.prod(shape))
    if count != len(values) or offset < 0 or strides != _dense(shape):
        raise ValueError("a view of a part of a storage")
    return np.array(values[offset : offset + size].reshape(shape))


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))


def _since_mark(stack: list[Any]) -> list[Any]:
    for place in range(len(stack) - 1, -1, -1):
        if isinstance(stack[place], _Mark):
            found = stack[place + 1 :]
            del stack[place:]
            return found
    raise ValueError("no mark")


def _append(stack: list[Any], values: list[Any]) -> None:
    stack[-1].extend(values)


def _set_items(stack: list[Any], pairs: list[Any]) -> None:
    if not all(isinstance(key, str | int | float | bytes | None) for key in pairs[::2]):
        raise TypeError("no key of weights")  # nor is the hash of a tuple, of which each holds another twice
    stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))


def _tuple(stack: list[Any], count: int) -> None:
    values = tuple(stack[-count:])
    del stack[-count:]
    stack.append(values)


def _call(stack: list[Any]) -> None:
    arguments, function = stack.pop(), stack.pop()
    stack.append({} if function.name == "collections.OrderedDict" else Thing(function.name, arguments))


def _give_state(stack: list[Any]) -> None:
    state = stack.pop()
    stack[-1].state = state


_CONSTANTS: dict[str, Callable[[], Any]] = {
    **{"MARK": _Mark, "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
    **{"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple},
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"),
}
_STEPS: dict[str, Callable[[list[Any]], None]] = {
    "PROTO": lambda stack: None,
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": lambda stack: _tuple(stack, 1),
    "TUPLE2": lambda stack: _tuple(stack, 2),
    "TUPLE3": lambda stack: _tuple(stack, 3),
    "APPEND": lambda stack: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack: _append(stack, _since_mark(stack)),
    "SETITEM": lambda stack: _set_items(stack, [stack.pop(-2), stack.pop()]),
    "SETITEMS": lambda stack: _set_items(stack, _since_mark(stack)),
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _give_state,
    "BINPERSID": lambda stack: stack.append(Thing("storage", stack.pop())),
}
