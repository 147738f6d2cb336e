"""The gateway: a model behind an OpenAI-compatible address, with monitors and steering by registered name."""
