"""What `python -m benchmarks.serve` serves: an address space, a PKI, a front end."""
