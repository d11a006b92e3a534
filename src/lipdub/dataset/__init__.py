"""Shards of clips: what `lipdub prepare` writes and training reads. Never imports torch."""
