"""What the site stands on, started on one machine out of wheels: for the demo, the tests and the benchmarks."""
