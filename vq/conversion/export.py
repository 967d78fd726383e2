"""The way back: a model's weights as a file of a published code base, or as ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vq.checkpoints import check_fit, state_hash, write_json
from vq.checkpoints.files import sha256
from vq.config.errors import nearest
from vq.conversion import FAMILIES, structure
from vq.conversion.family import Family
from vq.conversion.output import RECORD, now, versions, write_weights
from vq.conversion.rules import ConversionError
from vq.registry import MODELS

OURS = 'safetensors'


@dataclass(frozen=True)
class Format:
    """What an export is written as.

    Args:
        name: 'safetensors' for our own names, or that of a family that can be written.

    Raises:
        ConversionError: There is no such format.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in names():
            raise ConversionError(
                f'there is no format {self.name!r}; {nearest(self.name, names())}'
            )

    @property
    def family(self) -> Family | None:
        """The family; None for ours."""
        return FAMILIES.get(self.name)

    @property
    def file(self) -> str:
        """The usual name of the file or folder."""
        return self.family.file if self.family else 'model.safetensors'

    def obstacles(self, model: nn.Module) -> list[str]:
        """Say which parts of a model it cannot hold."""
        return self.family.obstacles(model) if self.family else []


def names() -> list[str]:
    """Return the names of all formats."""
    return [OURS, *(name for name, family in FAMILIES.items() if family.file)]


def export(
    model: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None,
    form: Format,
    *,
    out: Path,
    sources: Sequence[Path] = (),
    image_size: int = 256,
) -> list[str]:
    """Write weights in a format, with a record beside them.

    Args:
        model: Config of the model.
        weights: All of its weights, by our names; None for random ones.
        form: The format.
        out: The file, or for diffusers the folder, to write.
        sources: Where the weights come from, for the record.
        image_size: Pixels that the network was trained on, for settings files.

    Returns:
        What was done, a line each.

    Raises:
        ConversionError: The format cannot hold a part, which is named, and the formats
            that can; or another file is there already.
        CheckpointError: The weights are not the model's.
    """
    config = structure.without_losses(model)
    network = structure.build(config)
    if wrong := form.obstacles(network):
        can = [name for name in names() if not Format(name).obstacles(network)]
        raise ConversionError(
            f'{form.name} cannot hold this model: {"; ".join(wrong)}. '
            f'Formats that can: {", ".join(can)}'
        )
    if weights is None:
        weights = MODELS.build(config).state_dict()
    check_fit(network, weights, sources[-1] if sources else out)
    record: dict[str, Any] = dict(
        format=form.name,
        sources=[str(path) for path in sources],
        state_hash=state_hash(weights),
        versions=versions(),
        date=now(),
    )
    note = ''
    if form.family is not None:
        weights, note = form.family.for_export(weights, network)
    files, notes = _write(form, out, weights, network, image_size=image_size)
    record |= dict(changed=note, dropped=notes)
    record['files'] = {path.name: sha256(path) for path in files}
    write_json(out.with_name(out.name + RECORD), record)
    reasons = sorted(set(notes.values()))
    return [
        f'{len(weights) - len(notes)} tensors to {", ".join(map(str, files))}',
        *([note] if note else []),
        *(f'left out {_count(notes, reason)}: {reason}' for reason in reasons),
    ]


def _write(
    form: Format,
    out: Path,
    weights: Mapping[str, Tensor],
    network: nn.Module,
    *,
    image_size: int,
) -> tuple[list[Path], dict[str, str]]:
    """Write the files; return them, and the reasons of what was left out."""
    if form.family is None:
        write_weights(out, weights)
        return [out], {}
    renamed = form.family.from_ours(weights)
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise ConversionError(f'{out} is there already: move it away')
    out.parent.mkdir(parents=True, exist_ok=True)
    files = form.family.write(out, renamed.weights, network, image_size=image_size)
    return files, renamed.dropped


def _count(notes: Mapping[str, str], reason: str) -> int:
    return sum(other == reason for other in notes.values())
