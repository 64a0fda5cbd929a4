"""Note that somebody has seen an alert."""

from registry.errors import AlertNotFound
from registry.reading.alerts import alert_view, covers_alert
from registry.reading.views import View
from registry.storage.alert_tables import AlertRow
from registry.storage.database import Database
from registry.storage.tables import utc_now
from registry.tokens import Grant


def see_alert(database: Database, alert_id: int, grant: Grant) -> View:
    """Note that the holder of ``grant`` has seen the alert, unless somebody had before. It stays
    open: only what it reports closes it.

    Raises AlertNotFound, also where the grant does not cover the alert's model.
    """
    with database.write(announce=False) as session:
        row = session.get(AlertRow, alert_id, with_for_update=True)
        if row is None or not covers_alert(grant, row):
            raise AlertNotFound(alert_id)
        if row.seen_at is None:
            row.seen_at, row.seen_by = utc_now(), grant.name
        return alert_view(row)
