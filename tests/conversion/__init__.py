"""Tests of vq.conversion."""
