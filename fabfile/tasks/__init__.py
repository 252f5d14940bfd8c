"""The work of the tasks; imported when one runs."""
