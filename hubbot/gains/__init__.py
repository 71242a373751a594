"""Numbers only: intervals, calibration, prediction and integrity checks."""
