"""How the source bundle for Elastic Beanstalk is made and checked.

Needs what requirements-dev.txt has, and never runs in production.
"""
