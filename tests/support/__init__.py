"""What tests share: builders of values, clocks, servers to test against, assertions."""
