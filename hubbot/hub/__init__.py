"""Everything that talks to the Hugging Face Hub: the only room that imports its client."""
