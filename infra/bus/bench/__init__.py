"""Benchmarks: `bus bench NAME` measures ratios, interleaved, in one run, and writes `.bus/bench/NAME.json`."""
