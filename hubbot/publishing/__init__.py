"""Text only: what a model card and a pull request say. No network, no tensors."""
