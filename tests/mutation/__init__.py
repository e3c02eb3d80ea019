"""How much the policy's tests notice: `make mutants`."""
