"""Tests of vq.generation."""
