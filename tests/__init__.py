"""Tests of vq; they mirror its folders."""
