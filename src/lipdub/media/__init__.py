"""Pictures, sound and containers: everything that touches PyAV or ffmpeg."""
