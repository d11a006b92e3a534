"""The sound that the network hears."""

NETWORK_RATE = 16_000
"""Samples a second of the sound that its mel spectrogram is made of."""
