"""The chaos run: people go the whole way while every part of the site is killed at random; see `make chaos`."""
