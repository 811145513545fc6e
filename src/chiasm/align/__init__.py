"""W: linear maps from each column's features into one shared space."""
