"""`python -m fae.predict`: find and locate defects in many images, as one process or as one of several shards."""

from fae.predict.command import predict

__all__ = ["predict"]
