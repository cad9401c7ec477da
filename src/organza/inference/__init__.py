"""Use of a trained run: its generator samples, translates and encodes; its discriminator judges."""
