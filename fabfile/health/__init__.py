"""Whether the cluster is well: questions to the stores, and the verdict."""
