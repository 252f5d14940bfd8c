"""Tests on real hosts."""

import pytest

pytest.register_assert_rewrite("tests.e2e.faults")
