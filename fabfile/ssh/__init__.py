"""The one place that talks SSH."""
