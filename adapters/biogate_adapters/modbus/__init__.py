"""The Modbus engine: what to read (`plan`), what it means (`codec`), how to ask (`link`)."""
