"""Sums over download records, for the admin's dashboard, which both groups may see. What is there is counted by the
worker, not here."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from datasets.services.maintainers import permit_dashboard


def permit(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permit_dashboard()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_work_in_order'),
        ('datasets', '0021_history'),
    ]

    operations = [
        migrations.CreateModel(
            name='CountedPerson',
            fields=[
                ('user', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('institution', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='DownloadCount',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('cursor', models.BigIntegerField(default=0)),
                ('settled', models.BigIntegerField(default=0)),
                ('settled_at', models.DateTimeField(null=True)),
                ('mark', models.BigIntegerField(default=0)),
                ('mark_transaction', models.BigIntegerField(null=True)),
                ('marked_at', models.DateTimeField(null=True)),
                ('today', models.DateField(help_text='The last day of the periods.', null=True)),
                ('counted_until', models.DateTimeField(help_text='All that was recorded by then is counted.', null=True)),
                ('standing', models.JSONField(default=dict, help_text='What is counted whole from time to time; see standing.py.')),
            ],
            options={
                'verbose_name': 'dashboard',
                'default_permissions': ('view',),
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_count_of_downloads')],
            },
        ),
        migrations.CreateModel(
            name='DownloadDay',
            fields=[
                ('requests', models.PositiveBigIntegerField(default=0)),
                ('downloads', models.PositiveBigIntegerField(default=0, help_text='Distinct person and file.')),
                ('asked', models.PositiveBigIntegerField(default=0, verbose_name='bytes asked for')),
                ('unsized', models.PositiveBigIntegerField(default=0, help_text='Requests of which it is not recorded how many.')),
                ('pk', models.CompositePrimaryKey('day', 'dataset', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='datasets.dataset')),
            ],
            options={
                'ordering': ['day', 'dataset'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='DownloadShare',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requests', models.PositiveBigIntegerField(default=0)),
                ('downloads', models.PositiveBigIntegerField(default=0, help_text='Distinct person and file.')),
                ('asked', models.PositiveBigIntegerField(default=0, verbose_name='bytes asked for')),
                ('unsized', models.PositiveBigIntegerField(default=0, help_text='Requests of which it is not recorded how many.')),
                ('period', models.PositiveSmallIntegerField(choices=[(7, '7 days'), (30, '30 days'), (90, '90 days'), (365, '365 days'), (0, 'all')])),
                ('kind', models.CharField(choices=[('whole', 'altogether'), ('country', 'country of the request'), ('institution', 'institution of the person')], max_length=12)),
                ('label', models.CharField(blank=True, help_text='Empty: not recorded.', max_length=200)),
                ('dataset', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='datasets.dataset')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['period', 'dataset', 'kind', '-downloads', 'label'], name='share_largest'), models.Index(condition=models.Q(('dataset__isnull', True)), fields=['period', 'kind', '-downloads', 'label'], name='share_largest_of_all'), models.Index(condition=models.Q(('requests', 0)), fields=['id'], name='share_empty')],
                'constraints': [models.UniqueConstraint(fields=('period', 'kind', 'label', 'dataset'), name='one_share_a_label', nulls_distinct=False)],
            },
        ),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
