"""Networks and their checkpoints. Importing this imports torch."""

from lipdub.models.checkpoint import load_checkpoint, save_checkpoint
from lipdub.models.config import Diff2LipConfig
from lipdub.models.unet import Diff2Lip

__all__ = ["Diff2Lip", "Diff2LipConfig", "load_checkpoint", "save_checkpoint"]
