"""Latents: directions in which images change."""
