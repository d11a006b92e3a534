"""The one exception tree of lipdub.

Every error that a caller can expect derives from `LipdubError`, says in one sentence what
went wrong, where, and what to do, and carries the exit code of the command line::

    LipdubError                    1
    ├── InputError                 2   what was asked for cannot be done as asked
    │   ├── OptionError            2   an option has a value it cannot have
    │   ├── MediaError             2   a file is not the picture or sound it should be
    │   ├── OutputError            2   the output cannot be written where it was asked for
    │   ├── PlanError              2   a plan file is damaged or belongs to another movie
    │   ├── CueError               2   a cue sheet has bad lines
    │   ├── DatasetError           2   training data, or a list of it, is missing, damaged or of no use
    │   └── ManifestError          2   a batch manifest has bad lines
    ├── WeightsError               1   weights cannot be had or used
    │   ├── UnknownWeightsError    2   no such name in weights.toml, no such file
    │   ├── WeightsUnavailableError 1  no source could be reached
    │   ├── WeightsHashError       1   bytes differ from what weights.toml promises
    │   └── WeightsFormatError     2   not a checkpoint, or one of another network
    ├── DeviceError                2   the device or precision asked for is not there
    ├── RenderError                1   decoding, encoding or remuxing failed half-way
    └── TrainingError              1   training cannot go on, as its numbers are no longer finite

Exceptions of libraries (PyAV, ffmpeg, torch, the hub) are translated at the boundary where
they arise, with ``raise ... from``, and never reach the caller as themselves.
"""


class LipdubError(Exception):
    """Base of all expected errors; `exit_code` is what the command line exits with."""

    exit_code = 1


class InputError(LipdubError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class OptionError(InputError):
    """An option has a value it cannot have."""


class MediaError(InputError):
    """A file is not the picture or sound it should be."""


class OutputError(InputError):
    """The output cannot be written where it was asked for."""


class PlanError(InputError):
    """A plan file is damaged or belongs to another movie."""


class CueError(InputError):
    """A cue sheet has bad lines, or names faces or files that are not there."""


class ManifestError(InputError):
    """A batch manifest has bad lines."""


class DatasetError(InputError):
    """Training data, or a list of it, is missing, damaged or of no use."""


class WeightsError(LipdubError):
    """Weights cannot be had or used."""


class UnknownWeightsError(WeightsError):
    """There is no such name in weights.toml and no such file."""

    exit_code = 2


class WeightsUnavailableError(WeightsError):
    """None of the sources of the weights could be reached; `why` says it of each place, in a few words."""

    def __init__(self, sentence: str, why: str = "") -> None:
        super().__init__(sentence)
        self.why = why


class WeightsHashError(WeightsError):
    """The bytes differ from what weights.toml promises."""


class WeightsFormatError(WeightsError):
    """The file is not a checkpoint, or one of another network."""

    exit_code = 2


class DeviceError(LipdubError):
    """The device or precision asked for does not exist here."""

    exit_code = 2


class RenderError(LipdubError):
    """Decoding, encoding or remuxing failed half-way."""


class TrainingError(LipdubError):
    """Training cannot go on: a term of the loss is no finite number any more."""
