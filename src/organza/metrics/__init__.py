"""How good the generator is: images -> features -> a distance, with its error and a card of what it depends on."""
