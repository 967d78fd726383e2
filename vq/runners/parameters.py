"""Parameter groups: which optimizer moves which weights, with which options."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.distributed.tensor import DTensor

Entry = str | Mapping[str, Any]


def groups(
    model: nn.Module, entries: Sequence[Entry], *, optimizer: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return an optimizer's parameter groups, and the names of all its parameters.

    Args:
        model: The model; parameters that are frozen, or that their module moves itself
            (`moved_by_passes`), are left out.
        entries: Prefixes of parameter names (`'tokenizer.encoder'`), or mappings with
            `names` (prefixes) or `regex` (searched in the name) and the group's options
            (`lr`, `weight_decay` ...). A parameter goes to the first entry that fits.
        optimizer: The optimizer's name, for errors.

    Raises:
        ValueError: A prefix or a regex fits no parameter.
    """
    own = {
        f'{prefix}.{name}'.removeprefix('.')
        for prefix, module in model.named_modules()
        for name in getattr(module, 'moved_by_passes', ())
    }
    named = {
        k: p for k, p in model.named_parameters() if p.requires_grad and k not in own
    }
    taken: list[str] = []
    result = []
    for entry in entries:
        options: dict[str, Any] = (
            dict(names=[entry]) if isinstance(entry, str) else dict(entry)
        )
        prefixes, regex = options.pop('names', None), options.pop('regex', None)
        if (prefixes is None) == (regex is None):
            raise ValueError(
                f'optimizers.{optimizer}.params: an entry needs either names or regex, '
                f'got {entry!r}'
            )
        if prefixes is None:
            chosen = {k for k in named if re.search(regex, k)}
        else:
            chosen = {k for p in prefixes for k in _below(p, named, optimizer)}
        if not chosen:
            raise ValueError(_no_match(optimizer, regex, named))
        fresh = [k for k in named if k in chosen - set(taken)]
        # Fused and foreach kernels take whole or sharded (FSDP) weights, not a mix.
        for sharded in (False, True):
            alike = [k for k in fresh if isinstance(named[k], DTensor) is sharded]
            if alike:
                taken += alike
                result.append(dict(params=[named[key] for key in alike], **options))
    return result, taken


def _below(prefix: str, keys: Iterable[str], optimizer: str) -> list[str]:
    found = [key for key in keys if key == prefix or key.startswith(f'{prefix}.')]
    if not found:
        raise ValueError(_no_match(optimizer, prefix, keys))
    return found


def _no_match(optimizer: str, wanted: str, keys: Iterable[str]) -> str:
    prefixes = sorted({'.'.join(k.split('.')[:n]) for k in keys for n in (1, 2)})
    near = difflib.get_close_matches(wanted, prefixes, n=3)
    hint = f'did you mean {" or ".join(near)}' if near else f'there are {prefixes}'
    return (
        f'optimizers.{optimizer}.params: {wanted!r} fits no trainable parameter; {hint}'
    )
