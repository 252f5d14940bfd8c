"""What the tasks do; imported when one runs."""
