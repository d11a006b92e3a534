"""Figures of merit of dubbed pictures. Importing this imports no torch."""
