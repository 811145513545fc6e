"""φ: from the cells of one column to features (items, d)."""
