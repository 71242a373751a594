"""Data sets in, by Hub id or folder, as plain Parquet; metrics out."""
