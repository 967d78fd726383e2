"""Tokens in the place of pictures, for a runner that decodes them."""

from torch import Tensor

from vq.datasets.base import ImageDataset
from vq.datasets.token_origin import TokenOrigin
from vq.datasets.tokens import TokenDataset
from vq.registry import DATASETS


@DATASETS.register_module()
class UndecodedDataset(ImageDataset):
    """The images of a token store, not yet decoded.

    A sample's `original_image` are its tokens, int64, (h, w) or (h, w, g): only a model
    on its device can make the picture, and it does so for a whole batch.

    Args:
        data_root: The store; relative ones lie below the repository.

    Raises:
        MissingDataError: There is no store, or shards are missing.
        ValueError: It holds several crops an image.
    """

    def __init__(self, *, data_root: str) -> None:
        super().__init__(transforms=())
        self.description = data_root
        self.store = TokenDataset(data_root)
        meta, root = self.store.meta, self.store.root
        if meta.crops > 1:
            raise ValueError(
                f'{root} holds {meta.crops} crops of each image, and images are '
                'decoded from one; tokenize with '
                '`python -m vq.tasks.image_tokenization.tokenize`'
            )
        self.token_origins = [TokenOrigin.of(root, meta)]

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
