"""Words for one and for several."""

import pytest

from lipdub.wording import counted


@pytest.mark.parametrize(
    ("given", "said"),
    [((0, "clip"), "0 clips"), ((1, "clip"), "1 clip"), ((2, "clip"), "2 clips"),
     ((1, "process", "processes"), "1 process"), ((3, "process", "processes"), "3 processes")],
)  # fmt: skip
def test_one_is_not_several(given: tuple, said: str):
    assert counted(*given) == said
