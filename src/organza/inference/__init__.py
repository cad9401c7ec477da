"""What a trained run is used for: its generator draws, translates and encodes, its discriminator judges."""
