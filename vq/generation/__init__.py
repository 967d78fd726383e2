"""What `vq.generate` samples, and how it is written: PNGs, grids, .npz, a record."""
