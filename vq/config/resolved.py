"""What loading a config returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vq.config.errors import ConfigError
from vq.config.printing import lines
from vq.config.tree import Sources

if TYPE_CHECKING:
    from mmengine.config import ConfigDict


@dataclass
class Config:
    """An assembled config; two are equal if they say the same.

    Attributes:
        tree: The runners' configs, `trainer` and `validator`, those that there are.
        path: The file that was loaded, absolute.
        sources: Which file or flag set each leaf.
    """

    tree: ConfigDict
    path: Path = field(compare=False, kw_only=True)
    sources: Sources = field(
        default_factory=Sources, compare=False, kw_only=True, repr=False
    )

    @property
    def trainer(self) -> ConfigDict:
        """The trainer's config."""
        return self._half('trainer', 'train_dataset')

    @property
    def validator(self) -> ConfigDict:
        """The validator's config."""
        return self._half('validator', 'val_dataset')

    def __contains__(self, runner: str) -> bool:
        """Tell whether there is a `trainer`, a `validator`."""
        return runner in self.tree

    @property
    def text(self) -> str:
        """The config as a Python file, which loads to the same config."""
        parts = ['"""A resolved config: bases merged, options and flags applied."""']
        for runner, value in self.tree.items():
            body = lines(value, key=(runner,), prefix=f'{runner} = ')
            parts.append('\n'.join(line.text for line in body))
        return '\n\n'.join(parts) + '\n'

    def dump(self, path: str | Path) -> None:
        """Write `text` to a file; missing folders are made."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text, encoding='utf-8')

    def _half(self, runner: str, fragment: str) -> ConfigDict:
        if runner not in self.tree:
            raise ConfigError(f'{self.path} has no {runner}: it sets no {fragment}')
        return self.tree[runner]


def config_dict(tree: dict[str, Any]) -> ConfigDict:
    """Return plain dicts as mmengine's, whose keys are attributes too."""
    from mmengine.config import ConfigDict  # here, so that --help is instant

    return ConfigDict(tree)
