"""The path over many checkpoints, unattended: discover, one pass, shards, the schedule."""
