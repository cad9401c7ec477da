"""Interpretation of latents: directions in which images change."""
