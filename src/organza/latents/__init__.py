"""What latents mean: directions in which images change."""
