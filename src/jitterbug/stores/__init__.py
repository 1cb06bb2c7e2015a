"""What nodes share. One small Protocol each in ``base``, the delivery promise in its docstring."""
