"""hubbot: which checkpoint on the Hugging Face Hub to start fine-tuning from, and is it worth it.

The verbs of the command line are functions here; each imports what it needs when it runs.
"""

__version__ = "0.1.0"
