"""Tests of vq.patches."""
