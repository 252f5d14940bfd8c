"""What the tasks do; imported when one runs, so that `fab --list` stays quick."""
