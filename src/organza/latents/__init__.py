"""Latents: their law, truncation, walks, levels, directions and inversion. Pure functions; `inference` applies them to runs."""
