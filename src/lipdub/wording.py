"""Words that are the same in many sentences."""


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts.

    Args:
        number: how many.
        one: the word for one of them, such as ``clip``.
        many: for several, where that is not the same with an s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
