"""The decoder of the reconstruction config, as it is."""
