"""What tests/bench/run and tests/bench/effect share."""
