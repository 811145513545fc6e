"""Heads: from features to a label, a number or an order."""
