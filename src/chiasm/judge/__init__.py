"""Judgement: how good the space is, printed, saved and drawn."""
