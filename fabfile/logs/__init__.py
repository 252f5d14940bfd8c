"""The logs of all hosts as one: records in the order of their time, put right, and shown to people or as JSON."""
