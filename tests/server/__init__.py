import pytest

pytest.register_assert_rewrite(
    *(f"tests.server.{name}" for name in ("answers", "receiver", "serving", "visitor", "wire"))
)
