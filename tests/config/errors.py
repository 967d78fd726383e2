"""What an error message must name."""

from collections.abc import Callable

import pytest

from vq.config import ConfigError


def raises(message: str, call: Callable[[], object]) -> str:
    """Check that `call` raises a ConfigError that names each word of `message`."""
    with pytest.raises(ConfigError) as info:
        call()
    for part in message.split('|'):
        assert part in str(info.value)
    return str(info.value)
