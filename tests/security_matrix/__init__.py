"""Every (principal × operation × thing) cell, tried against a real secured broker: what no grant allows must be refused."""
