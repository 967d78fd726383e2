"""What `vq.edit` does to tokens and latents, and how it is shown: sheets, GIFs."""
