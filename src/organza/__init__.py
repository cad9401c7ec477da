"""Organza: generative adversarial networks, from a folder of images to a generator and an honest account of it."""
