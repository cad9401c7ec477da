"""The verbs of the command line, one function each; its signature is its interface. Nothing heavy is imported before it is needed."""
