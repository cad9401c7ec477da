"""The classroom of the studio: games on points in the plane, played by the training step of every run."""
