"""The one change that the application's role can make to download records: blank their network addresses, in time.

A model for others: such a function belongs to the owner and runs as the owner, does one thing to rows that it chooses
itself, and looks for names in fixed places only, last of all among temporary tables. It is closed to everybody;
`manage.py migrate` opens it to the application's role afterwards (portal.roles).
"""

from django.db import migrations

BLANK = """
CREATE FUNCTION blank_download_addresses(before timestamptz, at_most integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT id FROM datasets_downloadrecord
        -- Whoever calls it: what was recorded since yesterday stays.
        WHERE address IS NOT NULL AND issued_at < least(before, now() - interval '1 day')
        ORDER BY issued_at LIMIT at_most
    ), blanked AS (
        UPDATE datasets_downloadrecord record SET address = NULL FROM due
        WHERE record.id = due.id AND record.address IS NOT NULL RETURNING 1
    )
    SELECT count(*)::integer FROM blanked
$$;
REVOKE ALL ON FUNCTION blank_download_addresses(timestamptz, integer) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("datasets", "0003_evidence_triggers")]

    operations = [migrations.RunSQL(BLANK, "DROP FUNCTION blank_download_addresses(timestamptz, integer)")]
