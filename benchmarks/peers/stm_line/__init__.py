"""The peers of the STM line, which `peers.memory` opens by name."""
