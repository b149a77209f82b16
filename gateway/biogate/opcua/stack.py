"""The only module of this package that imports asyncua: types, status codes, policies' crypto."""

from asyncua import ua
from asyncua.crypto import security_policies, uacrypto
from asyncua.ua import StatusCodes

__all__ = ["StatusCodes", "security_policies", "ua", "uacrypto"]
