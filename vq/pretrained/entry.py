"""What is known of one published file."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published file.

    Args:
        name: GROUP/NAME; the group is the word of tools/prepare_checkpoints.py.
        file: Where it lies below `pretrained/`.
        url: Where it is published.
        licence: What the publisher says; empty where that was not found.
        purpose: What vq uses it for.
        sha256: All hex digits, or the first that are known; empty where none is.
        size: Exact number of bytes; None where it is not known.
        about: Rounded number of bytes; None where not even that is known.
        default: Whether it comes with its group, without `--weights`.
        package: An installed package and the path in it of the same bytes.
    """

    name: str
    file: str
    url: str
    licence: str
    purpose: str
    sha256: str = ''
    size: int | None = None
    about: int | None = None
    default: bool = True
    package: tuple[str, str] | None = None

    @property
    def group(self) -> str:
        """The word of tools/prepare_checkpoints.py that fetches it."""
        return self.name.split('/')[0]

    @property
    def weights(self) -> str:
        """What `--weights` calls it: the name without the group."""
        return self.name.partition('/')[2]

    @property
    def command(self) -> str:
        """What fetches it."""
        # Of a folder all files are fetched at once.
        weights = '' if self.default else f' --weights {self.weights.split("/")[0]}'
        return f'python tools/prepare_checkpoints.py {self.group}{weights}'
