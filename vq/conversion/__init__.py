"""Published checkpoints: their keys in our words."""
