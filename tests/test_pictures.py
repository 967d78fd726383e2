"""What is drawn of a batch: pictures, and features in their principal components."""

from functools import partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn import functional

from vq.images import normalize, to_uint8
from vq.pictures import coloured, pictures
from vq.types import (
    Batch,
    Classification,
    Distillation,
    Prediction,
    Quantized,
    Reconstruction,
)

TOKENS = torch.zeros(2, 4, 5, dtype=torch.int64)
QUANTIZED = Quantized(latent=torch.zeros(2, 1, 4, 5), tokens=TOKENS)


def batch() -> Batch:
    pixels = torch.randint(0, 256, (2, 3, 8, 10), dtype=torch.uint8)
    zeros = torch.zeros(2, dtype=torch.int64)
    return Batch(original_image=pixels, category=zeros, index=zeros, ids=['a', 'b'])


def test_colours_are_the_principal_components_of_each_picture() -> None:
    target, other = torch.randn(2, 2, 7, 4, 5)
    found = coloured(target, other)
    for i in range(2):
        rows = target[i].flatten(1).T.numpy()
        pca = PCA(n_components=3).fit(rows)
        axes = pca.components_.T
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(3)])
        shown = (rows - rows.mean(0)) @ axes
        low, high = shown.min(0), shown.max(0)
        others = (other[i].flatten(1).T.numpy() - rows.mean(0)) @ axes
        for values, picture in zip((shown, others), found, strict=True):
            expected = ((values - low) / (high - low) * 255).clip(0, 255).round()
            apart = np.abs(picture[i].flatten(1).T.numpy() - expected)
            assert apart.max() <= 1  # of 255: rounding


def test_equal_features_have_equal_pictures_of_the_size_of_the_image() -> None:
    features = torch.randn(2, 6, 4, 5)
    longer = features * torch.rand(2, 1, 4, 5).add(1)  # of the same angles
    shown = pictures(batch(), Distillation(longer, features, QUANTIZED))
    apart = shown['target'].int() - shown['features'].int()
    assert apart.abs().max() <= 1  # of 255: rounding
    assert list(shown) == ['image', 'target', 'features']
    assert {tuple(x.shape) for x in shown.values()} == {(2, 3, 8, 10)}
    expected = coloured(functional.normalize(features))[0]
    assert torch.equal(shown['target'][..., ::2, ::2], expected)


def test_a_reconstruction_stands_beside_its_image() -> None:
    images = batch()
    image = normalize(images.original_image) / 2
    shown = pictures(images, Reconstruction(image, QUANTIZED))
    assert torch.equal(shown['reconstruction'], to_uint8(image))
    assert torch.equal(shown['image'], images.original_image)


def prediction() -> tuple[Prediction, list[str]]:
    """Return a prediction, and the list of what was made of it so far."""
    made: list[str] = []

    def make(kind: str, level: float) -> Reconstruction:
        made.append(kind)
        return Reconstruction(torch.full((2, 3, 8, 10), level), QUANTIZED)

    levels = dict(reconstruction=-1.0, completed=0.2, generated=1.0)
    makers = {kind: partial(make, kind, level) for kind, level in levels.items()}
    losses, ranks = torch.zeros(2, 20), torch.zeros(2, 20, 1, dtype=torch.int64)
    return Prediction(losses, ranks, QUANTIZED, makers), made


def test_of_a_prediction_what_is_wanted_is_made_once() -> None:
    images, (output, made) = batch(), prediction()
    shown = pictures(images, output, kinds=['generated', 'image', 'features'])
    assert (shown['generated'] == 255).all()
    assert torch.equal(shown['image'], images.original_image)
    assert (list(shown), made) == (['image', 'generated'], ['generated'])
    shown = pictures(images, output)
    kinds = ['reconstruction', 'completed', 'generated']
    assert list(shown) == ['image', *kinds] and sorted(made) == sorted(kinds)
    assert (shown['reconstruction'] == 0).all() and (shown['completed'] == 153).all()


def test_a_batch_of_tokens_has_no_image() -> None:
    images, (output, _) = batch(), prediction()
    images.original_image = torch.empty(2, 3, 0, 0, dtype=torch.uint8)
    images.tokens = TOKENS
    shown = pictures(images, output)
    assert list(shown) == ['reconstruction', 'completed', 'generated']


def test_of_classes_there_is_nothing_to_see() -> None:
    assert pictures(batch(), Classification(torch.zeros(2, 3), QUANTIZED)) == {}
    assert pictures(batch(), QUANTIZED) == {}
