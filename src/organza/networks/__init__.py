"""Architectures, one in each file, generator and discriminator side by side."""
