"""Everything that decides what an output is made of, as plain data."""

from dataclasses import dataclass
from fractions import Fraction

from lipdub.media.hearing import LOSSLESS
from lipdub.media.join import Joined
from lipdub.media.mix import mixed
from lipdub.media.probe import VideoInfo
from lipdub.media.probe_sound import AudioInfo
from lipdub.media.sound import SoundChoice
from lipdub.media.streams import Carried


@dataclass(frozen=True, slots=True)
class Remux:
    """Everything that decides what the output is made of.

    Attributes:
        info: the source movie.
        picture: the new picture, encoded in segments.
        dub: the new sound.
        sound: how it travels.
        length: seconds of picture, from time 0 as a player shows it; the dub is padded or cut to it.
        hevc: the new picture is HEVC, which players know in MP4 by the tag hvc1 only.
        carried: streams of the source that are kept.
        language: code on the dub's track.
        slots: frames a second of an AVI; None to go by the source's mean rate.
        offset: seconds by which the dub is heard later than it lies in its file.
        background: music and effects that are mixed under the dub.
        limited: the mix would clip: its peaks are held.
    """

    info: VideoInfo
    picture: Joined
    dub: AudioInfo
    sound: SoundChoice
    length: Fraction
    hevc: bool
    carried: tuple[Carried, ...]
    language: str | None = None
    slots: Fraction | None = None
    offset: Fraction = Fraction(0)
    background: AudioInfo | None = None
    limited: bool = False

    @property
    def heard(self) -> AudioInfo:
        """What the sound is made of: the dub, or the mix of dub and background."""
        return mixed(self.dub, self.background)

    @property
    def moved(self) -> Fraction:
        """The offset to the nearest sample, in seconds."""
        return Fraction(round(self.offset * self.dub.rate), self.dub.rate)

    @property
    def cut(self) -> Fraction | None:
        """Seconds at which a copied dub is cut: at the picture's end, and no other stream with it."""
        return None if self.dub.codec in LOSSLESS else self.length

    @property
    def begins(self) -> Fraction:
        """Unit of the times at which a copied dub may begin, if it does not begin at 0."""
        late = self.sound.codec == "copy" and self.dub.start + self.offset > 0
        return Fraction(1, self.dub.rate) if late else Fraction(1)
