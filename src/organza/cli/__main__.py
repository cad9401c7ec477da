"""`python -m organza.cli`, the same as the command `organza`."""

from organza.cli import main

if __name__ == "__main__":
    main()
