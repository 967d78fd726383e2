"""Principal components equal scikit-learn's; a constant makes lengths visible."""

import pytest
import torch
from einops import rearrange
from sklearn.decomposition import PCA

from vq.models.teachers import fit_pca


def test_components_equal_scikit_learns() -> None:
    images = torch.randint(0, 256, (5, 3, 8, 12), dtype=torch.uint8)
    images[:, :, ::2] //= 3  # so that directions differ in variance
    found = fit_pca(images, patch=4, dim=7)
    rows = rearrange(
        images.double() / 255, 'b c (h p) (w q) -> (b h w) (c p q)', p=4, q=4
    ).numpy()
    pca = PCA(n_components=6).fit(rows)
    expected = torch.from_numpy(pca.transform(rows)).float()
    scores = (torch.from_numpy(rows).float() - found['mean']) @ found['components'].T
    scores = scores + found['offset']
    torch.testing.assert_close(
        scores[:, :6].abs(), expected.abs(), rtol=1e-3, atol=1e-4
    )
    length = expected.square().sum(1).mean().sqrt()
    torch.testing.assert_close(scores[:, 6], length.expand(len(rows)))


def test_more_components_than_values_are_refused() -> None:
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match='dim must be 2 to 49, .* got 50'):
        fit_pca(images, patch=4, dim=50)
