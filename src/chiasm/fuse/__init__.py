"""Σ: the modalities that a row really has, joined into one vector."""
