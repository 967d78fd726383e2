"""Tests of vq.config."""
