"""Alembic migrations of the registry's tables. Applied at start and by ``hotswap db upgrade``.

They run one way: who wants an older release back restores the backup made before the upgrade.
"""
