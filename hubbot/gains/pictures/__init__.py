"""Pictures of calibrations and gains as PNG or SVG, readable in black and white.

``draw`` is the door: it needs numpy alone until a picture is drawn. The other modules import
matplotlib (extra ``analysis``).
"""
