"""Tests of vq.datasets."""
