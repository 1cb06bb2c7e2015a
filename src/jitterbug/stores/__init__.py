"""What nodes share: history, positions, nonces. One small Protocol each, the delivery promise in its docstring."""
