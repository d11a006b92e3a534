"""Diffusion: from noise, a face and a sound to a face that says it. Importing this imports torch."""

from lipdub.diffusion.engine import LipInpainter, select_device
from lipdub.diffusion.inpaint import inpaint, make_noise
from lipdub.diffusion.schedule import ddim_timesteps

__all__ = ["LipInpainter", "ddim_timesteps", "inpaint", "make_noise", "select_device"]
