"""Variables without a device and methods: the nodes that a site file declares itself."""
