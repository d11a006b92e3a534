"""Whose lips may change: `--faces`."""

from collections.abc import Mapping, Sequence

from lipdub.errors import OptionError
from lipdub.faces.track import Track
from lipdub.options import face_numbers


def candidates(
    tracks: Sequence[Track], people: Mapping[int, int], faces: str, pictured: int | None = None
) -> list[Track]:
    """The faces among which somebody may say the dub.

    Args:
        tracks: faces that can be believed.
        people: id of a track: number of its person.
        faces: as in `lipdub.options.SyncOptions.faces`; ``auto`` and ``all`` are every face.
        pictured: number of the person in the picture, if `faces` is one.

    Raises:
        OptionError: there is nobody of such a number.
    """
    if faces == "largest":
        return largest_in_each_shot(tracks)
    numbers = face_numbers(faces) or ((pictured,) if pictured is not None else None)
    if numbers is None:
        return list(tracks)
    known = sorted({people[track.id] for track in tracks})
    unknown = [number for number in numbers if number not in known]
    if unknown:
        who = ", ".join(map(str, known)) or "nobody"
        raise OptionError(f"--faces: there is no face {unknown[0]}; in what was looked at there is {who}.")
    return [track for track in tracks if people[track.id] in numbers]


def largest_in_each_shot(tracks: Sequence[Track]) -> list[Track]:
    """The tracks to change: in each shot the one of most weight, and those that never meet it in time."""
    chosen: list[Track] = []
    for track in sorted(tracks, key=lambda t: -t.weight):
        if all(track.pts[-1] < other.pts[0] or track.pts[0] > other.pts[-1] for other in chosen):
            chosen.append(track)
    return sorted(chosen, key=lambda t: int(t.pts[0]))
