"""One file per architecture, generator and discriminator side by side."""
