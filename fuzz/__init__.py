"""Coverage-guided fuzzing: a ``check(data)`` for each thing that reads what strangers send.

``make fuzz`` runs them under atheris (:mod:`fuzz.run`). The ordinary suite runs the same checks without it, on the
seeds, on mutated seeds and on Hypothesis' bytes: ``tests/security/test_fuzz_corpus.py``.
"""
