"""Fixity checks, what drifted, and who may see it."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from datasets.services.maintainers import permit_fixity


def permit(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permit_fixity()


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0019_edition_of_shown_pictures'),
    ]

    operations = [
        migrations.CreateModel(
            name='FixityCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('running', 'running'), ('done', 'done'), ('failed', 'failed')], default='waiting', editable=False, max_length=10)),
                ('attempts', models.PositiveIntegerField(default=0, editable=False)),
                ('deaths', models.PositiveSmallIntegerField(default=0, editable=False, help_text='Workers that died on this row.')),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('leased_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('reason', models.TextField(blank=True, editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('cursor', models.PositiveBigIntegerField(default=0, editable=False, help_text='The last archive that was looked at.')),
                ('checked', models.PositiveIntegerField(default=0, editable=False, verbose_name='archives looked at')),
                ('drifted', models.PositiveIntegerField(default=0, editable=False, verbose_name='not as published')),
                ('release', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='fixity_checks', to='datasets.release')),
            ],
            options={
                'verbose_name': 'fixity check',
                'ordering': ['-id'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Drift',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('finding', models.CharField(choices=[('missing', 'no object has its key'), ('denied', 'the bucket refuses to tell of it'), ('changed', 'another object has its key')], editable=False, max_length=10)),
                ('size', models.PositiveBigIntegerField(editable=False, null=True, verbose_name='size found, in bytes')),
                ('etag', models.CharField(blank=True, editable=False, max_length=200, verbose_name='ETag found')),
                ('version_id', models.CharField(blank=True, editable=False, max_length=1024, verbose_name='version found')),
                ('is_delivered', models.BooleanField(default=False, editable=False, help_text='A link asks for the version that was read. It may be there although another one came after it.', verbose_name='links still deliver what was published')),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='first seen')),
                ('last_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='last seen')),
                ('ended_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='not so any more since')),
                ('archive', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='drifts', to='datasets.archive')),
                ('told_in', models.ForeignKey(blank=True, editable=False, help_text='The check at whose end maintainers were mailed.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='told', to='datasets.fixitycheck')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddIndex(
            model_name='fixitycheck',
            index=models.Index(condition=models.Q(('state__in', ('waiting', 'running'))), fields=['due_at', 'id'], name='fixitycheck_open'),
        ),
        migrations.AddIndex(
            model_name='fixitycheck',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['id'], name='fixitycheck_failed'),
        ),
        migrations.AddConstraint(
            model_name='fixitycheck',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('leased_until__isnull', False), ('state', 'running')), models.Q(models.Q(('state', 'running'), _negated=True), ('leased_until__isnull', True)), _connector='OR'), name='fixitycheck_lease_while_running'),
        ),
        migrations.AddConstraint(
            model_name='fixitycheck',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed'))), models.Q(models.Q(('state__in', ('done', 'failed')), _negated=True), ('finished_at__isnull', True)), _connector='OR'), name='fixitycheck_time_when_finished'),
        ),
        migrations.AddConstraint(
            model_name='fixitycheck',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'failed'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='fixitycheck_failed_with_reason'),
        ),
        migrations.AddConstraint(
            model_name='fixitycheck',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('waiting', 'running'))), fields=('release',), name='one_open_check_a_release'),
        ),
        migrations.AddIndex(
            model_name='drift',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['id'], name='drift_lasting'),
        ),
        migrations.AddConstraint(
            model_name='drift',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('archive',), name='one_lasting_drift_an_archive'),
        ),
        migrations.AddConstraint(
            model_name='drift',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finding', 'changed'), ('size__isnull', False)), models.Q(models.Q(('finding', 'changed'), _negated=True), ('etag', ''), ('size__isnull', True), ('version_id', '')), _connector='OR'), name='drift_found_when_changed'),
        ),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
