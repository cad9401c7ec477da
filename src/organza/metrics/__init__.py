"""Quality of a generator: images -> features -> a distance, with its error and a card of its conditions."""
