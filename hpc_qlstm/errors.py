"""The exceptions that this package raises and the exit codes that they become."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_STOPPED = 75


class HpcQlstmError(Exception):
    """Base of every error this package raises on purpose. Its text is one line.

    What a file or a configuration holds may be part of it: line breaks and what else moves a
    terminal's cursor are shown as escapes.
    """

    exit_code = EXIT_FAILURE
    shared = False
    """Whether every rank raises it, so that all leave in step."""

    def __init__(self, *args: object, shared: bool = False) -> None:
        super().__init__(*args)
        self.shared = self.shared or shared

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InputError(HpcQlstmError, ValueError):
    """The user's input cannot be used: a file, a configuration, an argument, a number of ranks.

    The message is complete on its own: what was given, where, and what is allowed.
    """

    exit_code = EXIT_BAD_INPUT


class UnsupportedError(InputError):
    """An engine was asked for something that it states it cannot do."""


class ExtensionMissingError(HpcQlstmError, ImportError):
    """The compiled extension is not installed."""


class EngineError(HpcQlstmError):
    """A backend failed while it ran, also after retries: it raised, was lost, or gave NaN."""


class TrainingError(HpcQlstmError):
    """Training cannot go on although its input was valid: the loss is not finite, say."""
