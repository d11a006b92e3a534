"""How good a dubbed face is: the figures of the paper, and some that do not flatter. No torch."""
