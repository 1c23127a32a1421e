"""The version of this library, as ledgers and manifests record it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
TOOL: Final = f"multidb {VERSION}"
