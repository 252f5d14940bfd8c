"""What `fab watch` tells, and to whom: (what was known, what is seen, clock) -> messages -> sinks."""
