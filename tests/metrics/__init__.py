"""Tests of vq/metrics."""
