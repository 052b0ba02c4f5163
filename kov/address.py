"""HOST:PORT as people write it, IPv6 in brackets."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """`str()` gives the form that `parse` reads. Port 0, where we bind, lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError, whose text says what to write instead."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or not port.isascii() or not port.isdigit():
            raise ValueError(f"{text!r} is not HOST:PORT; write for example 127.0.0.1:9092")
        if int(port) > 0xFFFF:
            raise ValueError(f"{text!r}: the port is above 65535; write a port from 1 to 65535")
        if ":" in host and not bracketed:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, for example [::1]:9092")
        return cls(host.strip("[]") if bracketed else host, int(port))

    @property
    def unspecified(self) -> bool:
        """0.0.0.0 or ::, which a server binds and nobody can connect to."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def loopback(self) -> bool:
        """Whether it means this very host to everybody, so to each of them another one."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """[NAME=]HOST:PORT: an address for the listener of that name."""

    name: str | None
    address: Address

    @classmethod
    def parse(cls, text: str) -> NamedAddress:
        """Raises ValueError, as `Address.parse` does."""
        name, equals, address = text.rpartition("=")
        if equals and not _NAME.fullmatch(name):
            raise ValueError(
                f"{text!r}: {name!r} can't be a listener's name; write letters, digits, '-' and '_'"
            )
        return cls(name if equals else None, Address.parse(address))

    def __str__(self) -> str:
        return str(self.address) if self.name is None else f"{self.name}={self.address}"
