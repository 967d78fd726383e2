"""Tests of vq.editing."""
