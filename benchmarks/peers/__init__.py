"""Other servers with the same address space, each a process of its own."""
