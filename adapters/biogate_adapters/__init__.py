"""Device adapters: contract, protocol engines, device profiles, device simulators."""
