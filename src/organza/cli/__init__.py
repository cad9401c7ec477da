"""Command line interface: `main` and one function for each command, whose signature is its interface.

Heavy modules are imported only when a command needs them.
"""

from organza.cli.main import main as main
