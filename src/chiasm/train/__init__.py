"""Training by gradients, for what has no closed form; needs the extra `neural`."""
