"""Settings of every test run; what pytest itself can be told stands in pyproject.toml."""

import hypothesis
import pytest

# Assertions in shared helpers explain themselves as those in tests do.
pytest.register_assert_rewrite("tests.support")

# A deadline per example measures the machine, not the code: with one worker per core, an example
# now and then waits for a core. Hangs are caught by pytest-timeout.
hypothesis.settings.register_profile("varflow", deadline=None)
hypothesis.settings.load_profile("varflow")

# Below the line that registers its package: imported earlier, its assertions would stay mute.
pytest_plugins = ["tests.support.cluster.fixtures"]
