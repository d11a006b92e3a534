"""How the demo is dubbed; importing this is cheap."""

from lipdub.options import SyncOptions

DEMO = SyncOptions(preset="draft", language="fra")
"""The weights are those in the package: but for the networks that look at faces, nothing is fetched."""
OFFERED = ("weights", "preset", "steps", "seed", "device", "precision", "batch_size", "overwrite", "fresh")
"""The options that a user may choose otherwise."""
