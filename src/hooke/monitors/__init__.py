"""Monitors: they score a model's activations token by token, with thresholds, an action and known error rates."""
