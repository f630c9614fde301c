"""What was published stays: a trigger of its own, because pgtrigger's obey a session that asks them to be still.

What counts is that there is a time of publication, which a draft has not and which, once there, never changes. So no
way leads round by the status.
"""

from django.db import migrations

KEEP = """
CREATE FUNCTION public.keep_published() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.published_at IS NULL AND OLD.status = 'draft' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'Cannot delete a version of an agreement that was published';
    END IF;
    IF NEW.status = 'draft' OR
        (OLD.id, OLD.agreement_id, OLD.number, OLD.text, OLD.summary, OLD.statements, OLD.sha256, OLD.editorial,
            OLD.published_at)
        IS DISTINCT FROM
        (NEW.id, NEW.agreement_id, NEW.number, NEW.text, NEW.summary, NEW.statements, NEW.sha256, NEW.editorial,
            NEW.published_at)
    THEN
        RAISE EXCEPTION 'Cannot update the text of a version that was published, nor make it a draft again';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published_kept BEFORE UPDATE OR DELETE ON public.accounts_agreementversion
    FOR EACH ROW EXECUTE FUNCTION public.keep_published();
"""
LEAVE = """
DROP TRIGGER published_kept ON public.accounts_agreementversion;
DROP FUNCTION public.keep_published();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_work_failed_kinds")]

    operations = [migrations.RunSQL(KEEP, LEAVE)]
