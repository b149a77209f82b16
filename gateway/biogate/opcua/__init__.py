"""The OPC UA front end: codec, transport, sessions, services and subscriptions without I/O."""
