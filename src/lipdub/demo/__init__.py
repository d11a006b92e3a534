"""A movie out of nothing: an astronaut's portrait, filmed by a slow camera, who comes to speak French.

The portrait is in scikit-image, the speech in this folder; SOURCES.md says where both are from.
"""
