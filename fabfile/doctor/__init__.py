"""What is wrong with a cluster, why, and what mends it: facts of all hosts -> findings. Pure but for one probe."""
