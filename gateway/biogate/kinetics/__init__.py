"""Plants: kinetic models behind the Plant protocol (`biogate_adapters.plant`)."""
