"""Frozen encoder, cached features, two heads: run in a child process without network or token.

The parent side (``job``, ``run``, ``sandbox``, ``keys``, ``cache``) never imports torch; everything
else here belongs to the child, which needs torch, transformers, numpy, pyarrow and safetensors.
"""
