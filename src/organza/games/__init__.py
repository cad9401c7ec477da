"""One GAN variant, one file."""
