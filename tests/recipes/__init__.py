"""Tests of vq.recipes."""
