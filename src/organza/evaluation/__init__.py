"""Measuring a trained run, or any images, against real ones."""
