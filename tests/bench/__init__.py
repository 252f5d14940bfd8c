"""How fast the engine is, against what its users would pick in its place: `python -m tests.bench`."""
