"""Score records on disk: one file per model, read and written by one pydantic model."""
