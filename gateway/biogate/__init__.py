"""biogate: a gateway and OPC UA information-model server for bioreactors."""
