"""The claims of the papers, recomputed from their printed tables and from published results."""
