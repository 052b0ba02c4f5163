"""HOST:PORT as people write it, IPv6 in brackets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


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

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
