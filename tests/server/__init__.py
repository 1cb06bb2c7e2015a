import pytest

pytest.register_assert_rewrite(*(f"tests.server.{name}" for name in ("answers", "serving", "visitor", "wire")))
