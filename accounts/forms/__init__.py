"""Forms of registration, sign-in, second factors and the profile.

`profile` is imported by allauth while it loads its own forms, so it must not import those; `entrance` and `factors`
build on them.
"""
