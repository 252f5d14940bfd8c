"""The faults of a cluster, their causes and their fixes: facts of all hosts -> findings. Pure but for one probe."""
