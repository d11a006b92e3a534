"""ONNX models written by hand, a few nodes long, in the format's own protocol buffers."""

from pathlib import Path


def write_model(path: Path, size: int, *, operator: str = "Neg", channels: int = 3) -> Path:
    """A model of one operator that takes a picture [1, channels, size, size] and gives one."""
    node = _text(1, "face") + _text(2, "result") + _text(4, operator)
    graph = _part(1, node) + _text(2, "restorer")
    graph += _part(11, _value("face", channels, size)) + _part(12, _value("result", channels, size))
    opset = _number(2, 13)
    path.write_bytes(_number(1, 8) + _part(7, graph) + _part(8, opset))
    return path


def _value(name: str, channels: int, size: int) -> bytes:
    """ValueInfoProto: a name, and the type of a tensor of floats."""
    shape = b"".join(_part(1, _number(1, n)) for n in (1, channels, size, size))
    return _text(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, shape)))


def _varint(n: int) -> bytes:
    digits = []
    while n > 127:
        digits.append(n & 127 | 128)
        n >>= 7
    return bytes([*digits, n])


def _number(field: int, n: int) -> bytes:
    return _varint(field << 3) + _varint(n)


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())
