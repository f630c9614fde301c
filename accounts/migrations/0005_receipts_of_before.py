"""Signatures from before receipts were rows get one, so that each has its document. Nobody is sent a second mail: the
word of the one that they had is the same (accounts.services.receipts)."""

from django.db import migrations

WRITE = """
    INSERT INTO accounts_receipt (signature_id, state, attempts, deaths, reason, created_at)
    SELECT id, 'waiting', 0, 0, '', now() FROM accounts_signature
    ON CONFLICT (signature_id) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_receipts")]

    operations = [migrations.RunSQL(WRITE, migrations.RunSQL.noop)]
