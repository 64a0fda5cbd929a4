"""Imports pyarrow with malloc as its allocator. Imported only when a table is sent.

pyarrow's default allocator never returns memory: a process keeps ten times the size of a body.
"""

import pyarrow as pa

pa.set_memory_pool(pa.system_memory_pool())

__all__ = ["pa"]
