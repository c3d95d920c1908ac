# SPDX-License-Identifier: MIT
"""The simulated service: `from simulator import Simulator` with the folder above on the path."""

from .harness import CommandFailed, Simulator, command, make_certificates

__all__ = ["CommandFailed", "Simulator", "command", "make_certificates"]
