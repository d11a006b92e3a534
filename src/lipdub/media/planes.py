"""The planes of a decoded picture as numpy arrays, whatever its pixel format.

Compositing works on planar formats in the stream's own bit depth and subsampling. A format whose
samples merely lie in another order (NV12, packed RGB, …) is first laid out in planes, which loses
nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError
from lipdub.media.fields import as_in

Plane: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

# The same samples in planes.
PLANAR_TWIN = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p", "nv42": "yuv444p",
    "nv20le": "yuv422p10le", "p010le": "yuv420p10le", "p210le": "yuv422p10le", "p410le": "yuv444p10le",
    "p012le": "yuv420p12le", "p212le": "yuv422p12le", "p412le": "yuv444p12le", "p016le": "yuv420p16le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "yvyu422": "yuv422p", "y210le": "yuv422p10le",
    "vuya": "yuva444p", "vuyx": "yuv444p", "ayuv": "yuva444p", "xv30le": "yuv444p10le",
    "rgb24": "gbrp", "bgr24": "gbrp", "rgb0": "gbrp", "bgr0": "gbrp", "0rgb": "gbrp", "0bgr": "gbrp",
    "rgba": "gbrap", "bgra": "gbrap", "argb": "gbrap", "abgr": "gbrap", "pal8": "gbrap",
    "rgb48le": "gbrp16le", "rgb48be": "gbrp16le", "rgba64le": "gbrap16le", "rgba64be": "gbrap16le",
    "x2rgb10le": "gbrp10le", "gray16be": "gray16le", "gray10be": "gray10le", "ya8": "yuva444p",
    "monow": "gray", "monob": "gray",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a planar pixel format are stored.

    Attributes:
        name: libav's name of the format.
        bits: bits a sample, 8 to 16.
        sub_x, sub_y: luma samples for one chroma sample, in each direction (1, 2 or 4).
        rgb: planes are G, B, R; otherwise Y, Cb, Cr, or Y alone.
        grey: there is one plane only.
        full: ``yuvj`` formats are full range whatever the tag says.
    """

    name: str
    bits: int
    sub_x: int
    sub_y: int
    rgb: bool
    grey: bool
    full: bool


def layout(pix_fmt: str) -> Layout:
    """The layout of a planar format.

    Raises:
        MediaError: the format is not planar or has floating-point or big-endian samples.
    """
    fmt = av.VideoFormat(pix_fmt, 64, 64)
    colour = [c for c in fmt.components if not c.is_alpha]
    planes = {c.plane for c in fmt.components}
    if len(planes) != len(fmt.components) or fmt.is_big_endian or "f" in pix_fmt.removesuffix("le")[-4:]:
        raise MediaError(
            f"pictures in the pixel format {pix_fmt} are not supported; convert the movie first."
        )
    return Layout(
        name=pix_fmt,
        bits=colour[0].bits,
        sub_x=1 if len(colour) == 1 else 64 // colour[1].width,
        sub_y=1 if len(colour) == 1 else 64 // colour[1].height,
        rgb=fmt.is_rgb,
        grey=len(colour) == 1,
        full=pix_fmt.startswith("yuvj"),
    )


def planar_format(pix_fmt: str) -> str:
    """The planar format with the same samples as `pix_fmt`."""
    return PLANAR_TWIN.get(pix_fmt, pix_fmt)


def as_planar(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame in planes; the frame itself where its samples already are."""
    target = planar_format(frame.format.name)
    if target == frame.format.name:
        return frame
    twin = frame.reformat(format=target, threads=1)  # with more, swscale races on P010
    twin.pts, twin.time_base, twin.duration = frame.pts, frame.time_base, frame.duration
    return twin


def copy_frame(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame with the same samples, time, colour tags and order of fields in memory of its own."""
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for target, source in zip(copy.planes, frame.planes, strict=True):
        _rows(target)[:] = _rows(source)[:, : target.line_size]
    copy.pts, copy.time_base, copy.duration = frame.pts, frame.time_base, frame.duration
    copy.color_range, copy.colorspace = frame.color_range, frame.colorspace
    copy.color_primaries, copy.color_trc = frame.color_primaries, frame.color_trc
    return as_in(copy, frame)


def plane_views(frame: av.VideoFrame, form: Layout) -> list[Plane]:
    """The colour planes (without alpha) as arrays that share the frame's memory: [height, width] each."""
    planes = frame.planes[: 1 if form.grey else 3]
    if form.bits <= 8:
        return [_rows(plane)[:, : plane.width] for plane in planes]
    return [_rows(plane).view(np.uint16)[:, : plane.width] for plane in planes]


def frame_bytes(pix_fmt: str, width: int, height: int) -> int:
    """Memory for the samples of a picture."""
    planes = {c.plane: c for c in av.VideoFormat(pix_fmt, width, height).components}
    return sum(c.width * c.height * -(-c.bits // 8) for c in planes.values())


def pts_of(frame: av.VideoFrame) -> int:
    """The presentation time of a frame that has one, as all that `read_frames` gives have."""
    assert frame.pts is not None
    return frame.pts


def _rows(plane: av.video.plane.VideoPlane) -> npt.NDArray[np.uint8]:
    data: npt.NDArray[np.uint8] = np.frombuffer(plane, dtype=np.uint8)  # type: ignore[call-overload]
    return data[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
