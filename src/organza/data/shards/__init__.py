"""Shards: data that no disk holds, as tar files of about equal size that other tools read too, here or at an address."""
