"""The command line: `main`, and the verbs, one function each, whose signatures are their interfaces.

Nothing heavy is imported before it is needed.
"""

from organza.cli.main import main as main
