"""What `vq` logs, for tests to look at."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Records(logging.Handler):
    """Keeps all records of the logger `vq`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def texts(self, level: int = logging.NOTSET) -> list[str]:
        """Return the messages of at least this level."""
        return [r.getMessage() for r in self.records if r.levelno >= level]

    @property
    def warnings(self) -> list[str]:
        """The messages of warnings and errors."""
        return self.texts(logging.WARNING)


def forget_set_up() -> None:
    """Take back what commands that run in this process have set up."""
    logger = logging.getLogger('vq')
    for handler in [*logger.handlers]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@contextmanager
def recorded() -> Iterator[Records]:
    """Record what `vq` logs, and put its logger back as it was."""
    logger, records = logging.getLogger('vq'), Records()
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
