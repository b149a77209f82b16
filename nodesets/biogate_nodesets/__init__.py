"""OPC UA nodesets: catalogue, fetch, strict load, compiled cache, instantiation."""
