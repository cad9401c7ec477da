"""Networks that compute features of images, and their weights."""
