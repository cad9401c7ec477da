"""How good the generator is: pictures -> features -> a distance, with its error and a card of what it depends on."""
