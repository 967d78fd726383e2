"""Why some families use few codes: a look at what benchmarks/codebook.py has trained.

    python benchmarks/codebook.py --sizes 8192 --families FSQ SimVQ 'CVQ, nearest'
    python benchmarks/codebook_why.py

Of FSQ's latents, how its channels hang together; of CVQ-VAE's codes, how many were
ever chosen; of SimVQ, how its usage grows with training. All with 8,192 codes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from codebook import RUNS, slug
from torch import Tensor

from vq.config import load
from vq.datasets.loader import val_loader
from vq.models.quantizers.base import to_rows
from vq.models.quantizers.usage import codebook_statistics, count_tokens, no_counts
from vq.paths import ROOT
from vq.registry import DATASETS, MODELS

SIZE = 8192  # codes


def perplexity(tokens: Tensor, size: int) -> float:
    counts = no_counts(size, tokens.device)
    count_tokens(tokens, counts)
    return codebook_statistics(counts)['perplexity']


def fsq(config: Path, weights: dict[str, Tensor]) -> str:
    validator = load(config).validator
    model: Any = MODELS.build(validator.model)
    model.load_state_dict(weights, strict=False)
    dataset = DATASETS.build(
        dict(validator.dataset, data_root=str(ROOT / 'data/photos/train'))
    )
    tokenizer = model.eval().tokenizer
    with torch.no_grad():
        loader = val_loader(dataset, batch_size=64, num_workers=0, block_size=64)
        latents = [tokenizer.encode(batch.image) for batch in loader]
        tokens = torch.cat([tokenizer.quantizer.latent_to_tokens(z) for z in latents])
    correlations = torch.corrcoef(torch.cat([to_rows(z) for z in latents]).T)
    largest = (correlations - torch.eye(len(correlations))).abs().max()
    alone, step = 1.0, 1
    for levels in tokenizer.quantizer.levels.flatten().tolist():
        alone *= perplexity(tokens // step % levels, levels)
        step *= levels
    together = perplexity(tokens, tokenizer.codebook_size)
    return (
        f'FSQ: channels correlated by up to {largest:.2f}; perplexity {together:.0f}, '
        f'{alone:.0f} if they were independent'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--iters', type=int, default=700, help='of the benchmark')
    args = parser.parse_args()
    folder = ROOT / 'work_dirs' / RUNS

    def weights(family: str) -> dict[str, Tensor]:
        run = folder / f'{slug(family, SIZE)}_{args.iters}'
        found: dict[str, Tensor] = torch.load(run / 'checkpoints/latest/model.pth')
        return found

    print(fsq(folder / f'{slug("FSQ", SIZE)}.py', weights('FSQ')))
    chosen = weights('CVQ, nearest')['tokenizer.quantizer.probability'] > 0
    print(f'CVQ-VAE: {chosen.float().mean():.1%} of all codes were ever chosen')
    scalars = folder / f'{slug("SimVQ", SIZE)}_{args.iters}' / 'scalars.jsonl'
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    windows = [
        f'{record["codebook/usage"]:.0%} at {record["iteration"]}'
        for record in records
        if 'codebook/usage' in record
    ]
    print(f'SimVQ: usage {", ".join(windows)}')


if __name__ == '__main__':
    main()
