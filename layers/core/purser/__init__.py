"""Purser: the back end of a crypto-trading product."""

import logging

__version__ = "0.1.0"


def _keep_libraries_quiet() -> None:
    """Let the level DEBUG hold for Purser's own loggers only, because libraries log secrets at it.

    botocore logs the parameters and bodies of requests: passwords, tokens, plaintexts. Lambda has set the level of the
    root logger before it imports a function.
    """
    root = logging.getLogger()
    if root.level < logging.INFO:
        logging.getLogger(__name__).setLevel(root.level)
        root.setLevel(logging.INFO)


_keep_libraries_quiet()
