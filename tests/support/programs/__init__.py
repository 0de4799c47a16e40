"""What the programs of tests/integration/test_programs_*.py run, and how their processes are started."""
