"""An asyncio client of Varlog: read `Log` first, then `LogStreamAppender`."""
