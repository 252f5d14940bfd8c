"""A bench of the cluster: its programs, what is seen of them, what limits them, and how two runs compare. Pure."""
