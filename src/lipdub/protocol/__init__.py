"""Evaluation as the paper does it: lists of pairs, two modes, a table of systems."""
