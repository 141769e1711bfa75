"""Threads of the extension that need no interpreter lock: signs of life, and files. Local."""

from __future__ import annotations

from hpc_qlstm.native import extension


def create_heartbeat(descriptor: int, message: str, period: float) -> extension.Heartbeat:
    """A thread that sends a message to a connected datagram socket every `period` seconds.

    It needs no interpreter lock, so it goes on while a library computes. Ends with the object.
    """
    return extension.Heartbeat(descriptor, message, period)


def create_file_writer() -> extension.FileWriter:
    """A thread that writes files, complete or not at all, and needs no interpreter lock.

    Ends with the object, after the file under way.
    """
    return extension.FileWriter()
