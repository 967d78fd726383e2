"""Tokenizers of several sub-tokens a position go through the same commands."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.integration.test_commands import MODEL, root, run
from tests.integration.train import CONFIG
from vq import cli, inference, test, train
from vq.checkpoints import Checkpoint
from vq.config import load
from vq.conversion import parity
from vq.datasets.tokens import TokenDataset
from vq.images import normalize, save_png
from vq.logs import read_json_lines
from vq.registry import DATASETS, MODELS
from vq.tasks.image_tokenization import tokenize

__all__ = ['root']  # a fixture
VQ = dict(type='VectorQuantizer', codebook_size=16, dim=2)
DEEP = dict(type='VectorQuantizer', codebook_size=1024, dim=4)
QUANTIZERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    'product': (dict(type='ProductQuantizer', quantizer=VQ, groups=2), (16, 16)),
    'residual': (dict(type='ResidualQuantizer', quantizer=DEEP, depth=8), (1024,) * 8),
    'lfq': (dict(type='LFQuantizer', dim=4, token_bits=(1, 3)), (2, 8)),
}


@pytest.mark.parametrize('name', QUANTIZERS)
def test_the_tour(name: str, root: Path) -> None:
    quantizer, sizes = QUANTIZERS[name]
    config = root / 'sub_tokens.py'
    change = dict(tokenizer=dict(quantizer=dict(_delete_=True, **quantizer)))
    config.write_text(f'_base_ = [{str(CONFIG)!r}]\nmodel = {change!r}\n')
    picture = root / 'picture.png'
    save_png(torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8), picture)

    run(train, cli.train_parser, 'tiny', config)
    words = ['--load-model-from', MODEL]
    run(test, cli.test_parser, 'tiny', config, *words, '--tokenize')
    run(tokenize, cli.tokenize_parser, 'tiny', config, *words)
    run(inference, cli.inference_parser, config, picture, *words, '--out', root)

    validator = load(config).validator
    model = MODELS.build(validator.model).eval()
    state = Checkpoint(root / 'work_dirs/tiny/checkpoints/iter_12').read('model')
    model.load_state_dict(state)
    dataset = DATASETS.build(validator.dataset)
    for folder in ('tiny_test', 'tiny_tokenize'):
        store = TokenDataset(root / 'work_dirs' / folder / 'tokens')
        store.verify()
        assert store.meta.token_sizes == sizes
        assert store.meta.shape == (8, 8, len(sizes))
        for i in range(len(dataset)):
            image = normalize(dataset[i].original_image[None])
            with torch.no_grad():
                output = model(image)
            assert torch.equal(store[i][0], output.quantized.tokens[0])
            with torch.no_grad():
                assert torch.equal(model.detokenize(store[i][0][None]), output.image)
    assert np.load(root / 'picture_tokens.npy').shape == (8, 8, len(sizes))
    metrics = read_json_lines(root / 'work_dirs/tiny_test/metrics.jsonl')[-1]
    usages = {key for key in metrics if key.startswith('codebook/usage')}
    groups = {f'codebook/usage_{group}' for group in range(len(sizes))}
    # 2^80 joint codes cannot be counted.
    assert usages == groups | ({'codebook/usage'} if name != 'residual' else set())
    text = parity.report(validator.model, state, Path('x'))
    assert 'tokens, ' in text and f'of {model.tokenizer.codebook_size} codes' in text
