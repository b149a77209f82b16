"""The engine for request/response line protocols: `frame` reads a reply, `link` exchanges lines."""
