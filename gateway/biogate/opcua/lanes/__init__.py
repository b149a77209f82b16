"""Short ways through the dispatcher for the requests that clients send all day."""
