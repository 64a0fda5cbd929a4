"""pyarrow, which is imported when somebody sends a table, and takes its memory from malloc.

Its own allocator keeps what it once took: ten times the size of a body, for as long as the process
lives.
"""

import pyarrow as pa

pa.set_memory_pool(pa.system_memory_pool())

__all__ = ["pa"]
