"""The way back: a model's weights as a file of a published code base, or as ours."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from vq.checkpoints import (
    FrozenPart,
    check_fit,
    check_parts,
    only,
    state_hash,
    write_json,
)
from vq.checkpoints.files import sha256
from vq.config.errors import nearest
from vq.config.files import display
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

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the only parts that it holds; none means all."""
        return self.family.parts if self.family else ()

    def is_folder(self, out: Path) -> bool:
        """Tell whether `out` is meant to hold our weights and their config."""
        return self.family is None and out.suffix != Path(self.file).suffix

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
    frozen: Mapping[str, FrozenPart] = MappingProxyType({}),
    image_size: int = 256,
) -> list[str]:
    """Write weights in a format, with a record beside them, and return what was done.

    Args:
        model: Config of the model.
        weights: All of its weights, by our names, or those of the parts that the
            format holds; None for random ones.
        form: The format.
        out: The file, or for diffusers the folder, to write.
        sources: Where the weights come from, for the record.
        frozen: What their checkpoint says of frozen parts.
        image_size: Pixels that the network was trained on, for settings files.

    Raises:
        ConversionError: The format cannot hold a part, or a file is there already.
        CheckpointError: The weights are not the model's.
    """
    config = structure.without_losses(model)
    network = structure.build(config)
    check(network, form)
    if weights is None:
        weights = MODELS.build(config).state_dict()
    parts = form.parts
    if parts:
        weights = only(weights, parts)
    check_fit(network, weights, sources[-1] if sources else out, parts=parts)
    check_parts(weights, frozen)
    exported, note = weights, ''
    if form.family is not None:
        exported, note = form.family.for_export(weights, network)
    files, left_out = _write(form, out, exported, network, image_size=image_size)
    digests = {path.name: sha256(path) for path in files}
    record = _origin(form, weights, sources)
    record |= dict(changed=note, dropped=left_out, files=digests)
    # The file itself holds them now, unless it is of other parts alone.
    record['frozen'] = {
        name: (part if parts else FrozenPart(part.state)).to_json()
        for name, part in frozen.items()
    }
    write_json(out.with_name(out.name + RECORD), record)
    return _told(len(weights), files, note, left_out)


def check(network: nn.Module, form: Format) -> None:
    """Refuse a model that a format cannot hold.

    Raises:
        ConversionError: The parts are named, and the formats that can.
    """
    if wrong := form.obstacles(network):
        can = [name for name in names() if not Format(name).obstacles(network)]
        raise ConversionError(
            f'{form.name} cannot hold this model: {"; ".join(wrong)}. '
            f'Formats that can: {", ".join(can)}'
        )


def _origin(
    form: Format, weights: Mapping[str, Tensor], sources: Sequence[Path]
) -> dict[str, Any]:
    """Return what a record says of the weights before they were changed."""
    return dict(
        format=form.name,
        sources=[display(path) for path in sources],
        state_hash=state_hash(weights),
        versions=versions(),
        date=now(),
    )


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


def _told(
    number: int, files: Sequence[Path], note: str, left_out: Mapping[str, str]
) -> list[str]:
    reasons = Counter(left_out.values()).items()
    return [
        f'{number - len(left_out)} tensors to {", ".join(map(str, files))}',
        *([note] if note else []),
        *(f'left out {count}: {reason}' for reason, count in reasons),
    ]
