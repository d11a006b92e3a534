"""The sizes of a Diff2Lip network, and how to read them off its weights."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isqrt
from typing import Any, Self, TypeAlias

from lipdub.errors import WeightsFormatError

METADATA_KEY = "lipdub.config"
GROUPS = 32  # every GroupNorm of the network has 32 groups
AUDIO_RES_BLOCKS = 2
PREDICTIONS = ("eps", "residual")  # what a network may say of x_t; see `Diff2LipConfig`
COARSEST = 8  # both known sizes (128 with 5 levels, 64 with 4) end in maps of 8x8

Shapes: TypeAlias = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Diff2LipConfig:
    """Sizes of the network (arXiv 2308.09716, section 3; a UNet in the style of guided-diffusion).

    `multipliers` of `width` are the channels of the maps, level by level from the finest on, each level
    halving the map; `attention_resolutions` are map sizes. Four choices are not the paper's, and theirs by
    default: squares of `patch` x `patch` pixels are folded into channels, so that the finest map is that much
    smaller (simple diffusion, arXiv 2301.11093, section 3); `audio_patch` does the same to the spectrogram of
    the audio encoder; `lips`, an odd number or 0, is how many numbers the sound becomes before it is a style,
    the apertures of the lips in as many frames (see `dataset.lips`), or 0 for no such narrow place; and
    `prediction` is what the first three channels of the answer are, ``eps``, the noise, or ``residual``, the
    difference from the reference (see `diffusion.denoiser.x0_of`).
    Raises `ValueError` when the sizes do not fit together.
    """

    image_size: int = 128
    width: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 3, 4)
    res_blocks: int = 2
    attention_resolutions: tuple[int, ...] = (32, 16, 8)
    head_width: int = 64
    audio_width: int = 32
    audio_multipliers: tuple[int, ...] = (1, 2, 3, 4)
    patch: int = 1
    audio_patch: int = 1
    lips: int = 0
    prediction: str = "eps"

    def __post_init__(self) -> None:
        _check(self.prediction in PREDICTIONS, f"prediction is one of {', '.join(PREDICTIONS)}")
        values = [getattr(self, field.name) for field in fields(self) if field.name != "prediction"]
        sizes = [size for field in values for size in (field if isinstance(field, tuple) else (field,))]
        _check(all(type(size) is int for size in sizes), "all sizes must be integers")
        _check(
            bool(self.multipliers) and min(self.multipliers) > 0, "the channel multipliers must be positive"
        )
        _check(
            bool(self.audio_multipliers) and min(self.audio_multipliers) > 0, "the same holds for the audio's"
        )
        _check(self.res_blocks > 0, "every level needs a residual block")
        _check(self.patch > 0, "a patch has pixels")
        _check(self.audio_patch in (1, 2, 4, 8), "the audio's patch is 1, 2, 4 or 8")
        # Of the sound's 64 x 16 places, the first two halvings are of the height alone.
        halvings = max(0, len(self.audio_multipliers) - 3)
        _check(16 // self.audio_patch >> halvings > 1, "the audio's map must halve from level to level")
        _check(
            self.lips == 0 or (self.lips > 0 and self.lips % 2 == 1),
            "the apertures of lips are an odd number, or none",
        )
        _check(
            self.image_size > 0
            and self.image_size % (self.patch * max(2, 2 ** (len(self.multipliers) - 1))) == 0,
            "the image must have a lower half, and halve from level to level",
        )
        for width in (self.width, self.audio_width):
            _check(width > 0 and width % GROUPS == 0, f"widths must be multiples of {GROUPS}")
        _check(self.head_width > 0, "an attention head needs channels")
        for width in self.attended_widths:
            _check(
                width % self.head_width == 0, f"{width} channels do not split into heads of {self.head_width}"
            )

    @classmethod
    def paper(cls) -> Self:
        """Sizes of the published network: 101,670,630 parameters."""
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        """Sizes of a small network for tests and experiments."""
        return cls(image_size=64, width=32, multipliers=(1, 2, 3, 4), head_width=32)

    @classmethod
    def from_state_dict(cls, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Self:
        """Sizes of the network that has parameters of these names and shapes.

        Metadata written by `save_checkpoint` says all. Otherwise the shapes do, but for three things they
        cannot show, which are then as published: heads are taken to be 64 channels wide (or the base width,
        where that is smaller), the coarsest maps 8x8, and what is predicted the noise. Raises
        `WeightsFormatError` when this is not a Diff2Lip network.
        """
        stored = (metadata or {}).get(METADATA_KEY)
        try:
            return cls(**(_fields_from_shapes(shapes) if stored is None else _fields_from_json(stored)))
        except KeyError as exc:
            raise WeightsFormatError(
                f"it is no Diff2Lip checkpoint: the weights have no parameter {exc.args[0]}"
            ) from exc
        except (ValueError, TypeError, IndexError, ZeroDivisionError) as exc:
            raise WeightsFormatError(f"its sizes are of no possible Diff2Lip network ({exc})") from exc

    def to_json(self) -> str:
        """The fields as a JSON object, for the metadata of a checkpoint."""
        return json.dumps(asdict(self))

    @property
    def embedding_width(self) -> int:
        """Channels of the time embedding, to which the audio is added."""
        return 4 * self.width

    @property
    def attended_levels(self) -> tuple[bool, ...]:
        """For every level, finest first: does it have attention?"""
        sizes = (self.image_size // self.patch >> level for level in range(len(self.multipliers)))
        return tuple(size in self.attention_resolutions for size in sizes)

    @property
    def attended_widths(self) -> tuple[int, ...]:
        """Channel counts of all maps with attention; the middle always has it."""
        levels = zip(self.multipliers, self.attended_levels, strict=True)
        return (*(self.width * m for m, attended in levels if attended), self.width * self.multipliers[-1])


def _check(holds: bool, demand: str) -> None:
    if not holds:
        raise ValueError(demand)


def _fields_from_json(text: str) -> dict[str, Any]:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise TypeError("its metadata are not a JSON object")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _fields_from_shapes(shapes: Shapes) -> dict[str, Any]:
    width = shapes["time_embed.0.weight"][1]
    levels, res_blocks = _levels(shapes)
    per_level = res_blocks + 1  # in the encoder a level ends with its downsampling
    starts = range(1, 1 + levels * per_level, per_level)
    finest = COARSEST << (levels - 1)
    attended = [
        finest >> level for level, i in enumerate(starts) if f"input_blocks.{i}.1.qkv.weight" in shapes
    ]
    patch = isqrt(shapes["input_blocks.0.0.weight"][1] // 9)  # of three pictures of three colours
    audio_width = shapes["audio_encoder.time_embed.0.weight"][1]
    audio_blocks = _count(shapes, "audio_encoder.encoder_blocks")
    return {
        "image_size": finest * patch,
        "width": width,
        "multipliers": _multipliers(shapes, "input_blocks", starts, width),
        "res_blocks": res_blocks,
        "attention_resolutions": tuple(attended),
        "head_width": min(64, width),
        "audio_width": audio_width,
        "audio_multipliers": _multipliers(
            shapes, "audio_encoder.encoder_blocks", range(1, audio_blocks, AUDIO_RES_BLOCKS + 1), audio_width
        ),
        "patch": patch,
        "audio_patch": isqrt(shapes["audio_encoder.encoder_blocks.0.0.weight"][1]),
        "lips": shapes.get("audio_encoder_to_style.4.weight", (0, 0))[1],
    }


def _levels(shapes: Shapes) -> tuple[int, int]:
    """Numbers of levels and of residual blocks per level.

    A downsampling block has the shapes of any other; only an upsampling one shows, as a second residual
    block inside one block of the decoder, the last of its level.
    """
    is_up = re.compile(r"output_blocks\.(\d+)\.[12]\.in_layers\.2\.weight")
    ups = sorted(int(found[1]) for name in shapes if (found := is_up.fullmatch(name)))
    if ups:
        return len(ups) + 1, ups[0]
    return 1, _count(shapes, "input_blocks") - 1


def _count(shapes: Shapes, blocks: str) -> int:
    names = re.compile(re.escape(blocks) + r"\.(\d+)\.0\..*")
    return 1 + max((int(found[1]) for name in shapes if (found := names.fullmatch(name))), default=-1)


def _multipliers(shapes: Shapes, blocks: str, starts: Sequence[int], width: int) -> tuple[int, ...]:
    channels = [shapes[f"{blocks}.{i}.0.in_layers.2.weight"][0] for i in starts]
    _check(all(c % width == 0 for c in channels), f"{channels} channels are not multiples of {width}")
    return tuple(c // width for c in channels)
