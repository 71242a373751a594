"""The whole path on a Hub of its own: real weights, real data, real commands, no internet."""
