"""A run over many hosts: the engine, outcomes, the report, the lock, batches, retry, timings."""
