"""Tokens in the place of pictures, for a runner that decodes them."""

from torch import Tensor

from vq.datasets.base import ImageDataset
from vq.datasets.tokens import TokenDataset
from vq.registry import DATASETS


@DATASETS.register_module()
class UndecodedDataset(ImageDataset):
    """The images of a token store, not yet decoded.

    A sample's `original_image` are its tokens, int64, (h, w) or (h, w, g): only a model
    on its device can make the picture, and it does so for a whole batch.

    Args:
        data_root: The store; relative ones lie below the repository.
    """

    def __init__(self, *, data_root: str) -> None:
        super().__init__(transforms=())
        self.description = data_root
        self.store = TokenDataset(data_root)

    def __len__(self) -> int:
        return len(self.store)

    def read(self, index: int) -> Tensor:
        """Return the tokens of image `index`: int64, (h, w) or (h, w, g)."""
        return self.store[index][0]

    def id(self, index: int) -> str:
        """Return the name of image `index`."""
        return self.store[index][2]

    def category(self, index: int) -> int:
        """Return the class index of image `index`."""
        return self.store[index][1]
