"""Evaluation of a trained run, or of any images, against real ones."""
