"""Builds the course's notebooks and judges what students write in them. For instructors."""
