"""Unmodified client libraries of six languages against `kov serve`."""

import pytest

pytest.register_assert_rewrite(
    "tests.interop.administration", "tests.interop.bench", "tests.interop.producing", "tests.interop.trouble"
)
