"""How fast the engine is, against the tools that its users would pick in its place: `python -m tests.bench`."""
