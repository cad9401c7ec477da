"""GAN variants, one in each file."""
