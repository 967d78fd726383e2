"""How the StyleGAN family's discriminators grow with the size of an image."""

from torch import Tensor

LAST_SIDE = 4  # pixels that are left for the head


def widths(
    image_size: int, *, least_size: int, max_dim: int, full_side: int
) -> list[int]:
    """Return the channels at each resolution, from `image_size` down to 4 pixels.

    Args:
        image_size: Height and width of an image.
        least_size: The smallest that is allowed.
        max_dim: Channels at `full_side` pixels a side and fewer; each doubling of the
            resolution halves them.
        full_side: See `max_dim`.

    Raises:
        ValueError: `image_size` is too small or no power of two, or `max_dim` leaves it
            without channels.
    """
    if image_size < least_size or image_size.bit_count() != 1:
        raise ValueError(
            f'image_size must be a power of two from {least_size} up, got {image_size}'
        )
    least_dim = max(1, image_size // full_side)
    if max_dim < least_dim:
        raise ValueError(
            f'max_dim must be >= {least_dim} for {image_size} pixels, got {max_dim}'
        )
    depth = (image_size // LAST_SIDE).bit_length()
    sides = [image_size >> i for i in range(depth)]
    return [max_dim * full_side // max(side, full_side) for side in sides]


def check_size(image: Tensor, image_size: int) -> None:
    """Check that an image (b, c, h, w) is as large as its discriminator expects.

    Raises:
        ValueError: It is not.
    """
    height, width = image.shape[-2:]
    if (height, width) != (image_size, image_size):
        raise ValueError(
            f'this discriminator is for images of {image_size} x {image_size} pixels '
            f'(image_size), got {height} x {width}'
        )
