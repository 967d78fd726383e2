"""What benchmarks/codebook.py compares: each family's experiment at two sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SIZES = (1024, 8192)


@dataclass
class Case:
    """A family's experiment on photographs, and what differs from it.

    Attributes:
        config: The experiment, below configs/.
        quantizers: By the codebook size: what differs in the quantizer.
        dim: By the codebook size, channels of the latent; none if they stay.
        callbacks: What differs in the callbacks.
    """

    config: str
    quantizers: Mapping[int, Mapping[str, Any]] = field(
        default_factory=lambda: {size: dict(codebook_size=size) for size in SIZES}
    )
    dim: Mapping[int, int] = field(default_factory=dict)
    callbacks: Mapping[str, Any] = field(default_factory=dict)

    def difference(self, size: int) -> dict[str, Any]:
        """Return what a config file sets for a codebook of `size` codes."""
        tokenizer: dict[str, Any] = dict(quantizer=dict(self.quantizers[size]))
        model: dict[str, Any] = dict(tokenizer=tokenizer)
        if size in self.dim:
            tokenizer['post_encode'] = dict(out_dim=self.dim[size])
            model['pre_decode'] = dict(in_dim=self.dim[size])
        return dict(model=model, train_callbacks=dict(self.callbacks))


def table(**changes: Any) -> dict[int, dict[str, Any]]:
    """Return the difference of a family with a table of codes."""
    return {size: dict(codebook_size=size, **changes) for size in SIZES}


def _revival(policy: str) -> dict[str, Any]:
    return dict(
        revival=dict(type='RevivalCallback', policy=policy, max_age=1.0, interval=50)
    )


_SPHERE = dict(dim=4, normalize=True)
_BITS = {1024: 10, 8192: 13}
CASES = {
    'VQ': Case('vqvae/1024_photos'),
    'VQ, rotation trick': Case('rotation/1024_photos'),
    'VQ, k-means init': Case('vqvae/1024_photos', table(init='kmeans')),
    'VQ, revival': Case('vqvae/1024_photos', callbacks=_revival('random')),
    'VQ, 4-d sphere': Case(
        'vqvae/1024_photos', table(**_SPHERE), dict.fromkeys(SIZES, 4)
    ),
    'EMA-VQ': Case('emavq/1024_photos', callbacks=dict(revival=None)),
    'EMA-VQ, revival': Case('emavq/1024_photos'),
    'VQ-KD codebook': Case(
        'vqvae/1024_photos', table(_delete_=True, type='NormEMAQuantizer', dim=32)
    ),
    'Gumbel-VQ': Case('gumbel/1024_photos'),
    'CVQ, nearest': Case('cvqvae/1024_photos'),
    'CVQ, random': Case('cvqvae/1024_photos', table(anchor='random')),
    'FSQ': Case(
        'fsq/1000_photos',
        {1024: dict(levels=(8, 5, 5, 5)), 8192: dict(levels=(8, 8, 5, 5, 5))},
        {1024: 4, 8192: 5},
    ),
    'LFQ': Case(
        'lfq/1024_photos', {k: dict(dim=bits) for k, bits in _BITS.items()}, _BITS
    ),
    'BSQ': Case(
        'bsq/1024_photos', {k: dict(dim=bits) for k, bits in _BITS.items()}, _BITS
    ),
    'IBQ': Case('ibq/1024_photos'),
    'SimVQ': Case('simvq/1024_photos'),
    'residual VQ, 2 depths': Case(
        'rqvae/32x2_photos',
        {
            1024: dict(quantizer=dict(codebook_size=32)),
            8192: dict(quantizer=dict(codebook_size=90)),
        },
    ),
    'product VQ, 2 groups': Case(
        'product/32x2_photos',
        {
            1024: dict(quantizer=dict(codebook_size=32)),
            8192: dict(quantizer=dict(codebook_size=90)),
        },
    ),
}
