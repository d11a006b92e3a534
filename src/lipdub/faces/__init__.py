"""Faces in film: where they are, which of them belong together, how they are framed and pasted back."""
